"""Sessions: a sealed cookie that names the token that was given, and says until when it is valid.

The cookie is all there is of a session. It names a token by its digest, so that taking the token out of
RELAY_API_TOKEN ends every session that began with it, and what the token may do is what it may do now. Which sessions
were signed out is known only to the process that did it, while it runs: it refuses a copy of such a cookie, but another
console accepts it until it expires.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from console.http.tokens import ApiTokens, Caller
from runtime.encryption import Sealer
from runtime.variables import ApiToken
from schemas.errors import Unreadable

LIFETIME = 12 * 3600
"""Seconds after which one has to sign in again."""
_PURPOSE = "console session"


@dataclass(frozen=True, slots=True)
class Session:
    """An operator at work. Every form carries `csrf`, which only pages of this session know."""

    caller: Caller
    ends_at: float
    csrf: str = field(repr=False)


class Sessions:
    """Begins sessions, resumes them from their cookie, and ends them."""

    def __init__(self, sealer: Sealer, tokens: ApiTokens, known: Iterable[ApiToken]) -> None:
        self._sealer = sealer
        self._tokens = tokens
        holders = [tokens.holder(token.value.get_secret_value()) for token in known]
        self._callers = {caller.name: caller for caller in holders if caller is not None}
        self._ended: dict[str, float] = {}

    def begin(self, token: str, now: float) -> tuple[Session, str] | None:
        """A session for the holder of this token, and its cookie; None for a token that is not valid, or valid for
        /metrics only."""
        caller = self._tokens.holder(token)
        if caller is None or caller.metrics_only:
            return None
        session = Session(caller, now + LIFETIME, secrets.token_urlsafe(24))
        row = {
            "purpose": _PURPOSE,
            "caller": caller.name,
            "rights": caller.rights,
            "ends_at": session.ends_at,
            "csrf": session.csrf,
        }
        return session, self._sealer.seal(orjson.dumps(row).decode())

    def resume(self, cookie: str | None, now: float) -> Session | None:
        """The session of a cookie; None where it has ended or is forged, or its token is no longer valid."""
        if not cookie:
            return None
        try:
            row = orjson.loads(self._sealer.open(cookie))
        except (Unreadable, ValueError):
            return None
        if not isinstance(row, dict) or row.get("purpose") != _PURPOSE:
            return None
        if row["ends_at"] <= now or row["csrf"] in self._ended:
            return None
        caller = self._callers.get(row["caller"])
        if caller is None or caller.rights != row.get("rights"):
            return None
        return Session(caller, row["ends_at"], row["csrf"])

    def end(self, session: Session, now: float) -> None:
        """Refuse this session from now on, though its cookie has not expired."""
        self._ended = {csrf: ends_at for csrf, ends_at in self._ended.items() if ends_at > now}
        self._ended[session.csrf] = session.ends_at


def equal_secrets(given: str, expected: str) -> bool:
    """Whether two secrets are equal, compared in constant time. An empty one equals nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
