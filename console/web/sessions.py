"""Sessions: a sealed cookie with the digest of the token that signed in, and the time when it expires.

Nothing else is stored of a session. Because the cookie names the token by its digest, removing the token from
RELAY_API_TOKEN ends every session that began with it, and the token's current rights apply. Which sessions were signed
out is known to all consoles (`console.operations.signing_in.EndedSessions`).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson

from runtime.api_tokens import ApiTokens, Caller
from runtime.encryption import Sealer
from runtime.setting_values import ApiToken
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
    """Begins sessions, and resumes them from their cookie."""

    def __init__(self, sealer: Sealer, tokens: ApiTokens, known: Iterable[ApiToken]) -> None:
        self._sealer = sealer
        self._tokens = tokens
        holders = [tokens.holder(token.value.get_secret_value()) for token in known]
        self._callers = {caller.name: caller for caller in holders if caller is not None}

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
        """The session of a cookie; None where it has expired or is forged, or its token is no longer valid."""
        if not cookie:
            return None
        try:
            row = orjson.loads(self._sealer.open(cookie))
        except (Unreadable, ValueError):
            return None
        if not isinstance(row, dict) or row.get("purpose") != _PURPOSE:
            return None
        if row["ends_at"] <= now:
            return None
        caller = self._callers.get(row["caller"])
        if caller is None or caller.rights != row.get("rights"):
            return None
        return Session(caller, row["ends_at"], row["csrf"])


def equal_secrets(given: str, expected: str) -> bool:
    """Whether two secrets are equal, compared in constant time. An empty one equals nothing."""
    return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
