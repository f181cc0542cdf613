"""Access tokens as i'mport gives them (`POST /users/getToken`).

A token lives 30 minutes. A request before its end gets the same token; within its last minute, the token also gets five
more minutes.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

LIFETIME = 30 * 60
_LAST_MINUTE = 60
_MORE = 5 * 60


@dataclass(slots=True)
class IssuedToken:
    """A token of one account; ``expired_at`` in UNIX seconds."""

    text: str
    expired_at: int


class IssuedTokens:
    """The valid tokens of the accounts. ``accounts`` maps each imp_key to its imp_secret."""

    def __init__(self, accounts: Mapping[str, str], clock: Callable[[], float]) -> None:
        self.accounts = dict(accounts)
        self.revoked = False
        self._clock = clock
        self._current: dict[str, IssuedToken] = {}

    def issue(self, imp_key: object, imp_secret: object) -> tuple[IssuedToken, int] | None:
        """The account's token and i'mport's time, or None if the credentials are wrong or revoked."""
        if self.revoked or not isinstance(imp_key, str) or self.accounts.get(imp_key, None) != imp_secret:
            return None
        now = int(self._clock())
        token = self._current.get(imp_key)
        if token is None or token.expired_at <= now:
            token = self._current[imp_key] = IssuedToken(secrets.token_hex(20), now + LIFETIME)
        elif token.expired_at - now < _LAST_MINUTE:
            token.expired_at += _MORE
        return token, now

    def account(self, text: str) -> str | None:
        """The imp_key of a token, or None if it is unknown, expired or revoked."""
        if self.revoked:
            return None
        for imp_key, token in self._current.items():
            if token.text == text and token.expired_at > self._clock():
                return imp_key
        return None

    def expire_all(self) -> None:
        """Makes every token issued so far invalid."""
        self._current.clear()
