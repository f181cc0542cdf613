"""Sessions: a sealed cookie with the digest of the token that signed in, and the time when it expires.

Nothing else is stored of a session. The cookie names the token by its digest. So a session has the token's current
rights, and ends when the token is removed from RELAY_API_TOKEN. All consoles know which sessions were signed out
(`console.operations.sign_in.EndedSessions`).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from console.web.sealed_rows import SealedRows
from runtime.api_tokens import ApiTokens, Caller
from runtime.encryption import Sealer
from runtime.setting_values import ApiToken

LIFETIME = 12 * 3600
"""Seconds after which an operator has to sign in again."""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in operator. Every form carries `csrf`, which only pages of this session know."""

    caller: Caller
    ends_at: float
    csrf: str = field(repr=False)


class Sessions:
    """Begins sessions, and resumes them from their cookie."""

    def __init__(self, sealer: Sealer, tokens: ApiTokens, known: Iterable[ApiToken]) -> None:
        self._rows = SealedRows(sealer, "console session")
        self._tokens = tokens
        holders = [tokens.holder(token.value.get_secret_value()) for token in known]
        self._callers = {caller.name: caller for caller in holders if caller is not None}

    def begin(self, token: str, now: float) -> tuple[Session, str] | None:
        """A session for the holder of this token, and its cookie; None if the token is not valid, or is valid only for
        /metrics."""
        caller = self._tokens.holder(token)
        if caller is None or caller.metrics_only:
            return None
        session = Session(caller, now + LIFETIME, secrets.token_urlsafe(24))
        row = {"caller": caller.name, "rights": caller.rights, "csrf": session.csrf}
        return session, self._rows.seal(row, session.ends_at)

    def resume(self, cookie: str | None, now: float) -> Session | None:
        """The session of a cookie; None if it is expired or forged, or its token is no longer valid."""
        row = self._rows.open(cookie, now)
        if row is None:
            return None
        caller = self._callers.get(row["caller"])
        if caller is None or caller.rights != row.get("rights"):
            return None
        return Session(caller, row["ends_at"], row["csrf"])


def equal_secrets(given: str, expected: str) -> bool:
    """Whether two secrets are equal, compared in constant time. An empty one equals nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
