"""Attempts to sign in, and sessions that have ended. All consoles of a ledger share both through Redis.

While Redis is away or full, each console knows only its own.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter

import structlog

from console.context import Context
from runtime.repeated_lines import Repeats
from schemas.errors import LedgerUnavailable

OF_SOURCE = 10
OF_ALL = 100
WITHIN = 900.0
"""The most failed attempts of one source, and of all sources, in so many seconds. Further attempts are refused until
these are over."""

log = structlog.get_logger()


class SignInLimit:
    """Limits attempts to guess a token. A source is an IPv4 address, the /64 of IPv6 that one customer gets, or a known
    browser, which has signed in before. Attempts that failed elsewhere do not keep a known browser out, and its own do
    not count elsewhere."""

    def __init__(self, context: Context) -> None:
        self._operators = context.ledger.operators
        self._own: Counter[str] = Counter()
        self._own_known: Counter[str] = Counter()
        self._own_since = time.monotonic()

    async def attempt(self, source: str, *, is_known: bool = False) -> float:
        """Count an attempt. Returns 0 if it may go on, else the seconds until it may be made again."""
        of_all = None if is_known else OF_ALL
        try:
            wait = await self._operators.try_sign_in(source, of_source=OF_SOURCE, of_all=of_all, within=WITHIN)
            self._forget(source)
            return wait
        except LedgerUnavailable as error:
            log.warning("sign_ins_counted_locally", error=str(error))
            return self._attempt_alone(source, of_all, time.monotonic())

    async def forgive(self, source: str, *, is_known: bool = False) -> None:
        """Do not count the last attempt: the token was right."""
        self._forget(source)
        try:
            await self._operators.forgive_sign_in(source, among_all=not is_known)
        except LedgerUnavailable as error:
            log.warning("sign_in_not_forgiven", error=str(error))

    def _attempt_alone(self, source: str, of_all: int | None, now: float) -> float:
        if now - self._own_since > WITHIN:
            self._own.clear()
            self._own_known.clear()
            self._own_since = now
        attempts = self._own_known if of_all is None else self._own
        if attempts[source] >= OF_SOURCE or (of_all is not None and attempts.total() >= of_all):
            return self._own_since + WITHIN - now
        attempts[source] += 1
        return 0.0

    def _forget(self, source: str) -> None:
        self._own.pop(source, None)
        self._own_known.pop(source, None)


class EndedSessions:
    """Sessions whose operators have signed out; a copy of such a session's cookie is refused until it expires. Sessions
    that end here while Redis is away reach the other consoles when it is back."""

    def __init__(self, context: Context) -> None:
        self._operators = context.ledger.operators
        self._own: dict[str, float] = {}
        self._unsent: dict[str, float] = {}
        self._away = Repeats()

    async def end(self, session: str, ends_at: float) -> None:
        """End a session now; its cookie is valid until `ends_at` (UNIX seconds)."""
        now = time.time()
        self._own = {name: until for name, until in self._own.items() if until > now}
        self._own[session] = ends_at
        self._unsent[session] = ends_at
        await self._send()

    async def include(self, session: str) -> bool:
        """Whether the session has ended."""
        if self._unsent:
            await self._send()
        if session in self._own:
            return True
        try:
            return await self._operators.has_ended(_name(session))
        except LedgerUnavailable as error:
            self._log_away("ended_sessions_unknown", error)
            return False

    async def _send(self) -> None:
        """Store the sessions that have ended here, for the other consoles."""
        try:
            for session, ends_at in list(self._unsent.items()):
                await self._operators.end_session(_name(session), ends_at - time.time())
                self._unsent.pop(session, None)
        except LedgerUnavailable as error:
            self._log_away("session_ended_here_only", error)

    def _log_away(self, event: str, error: LedgerUnavailable) -> None:
        if (times := self._away.times(f"{event} {error}")) is not None:
            log.warning(event, error=str(error), times=times)


def _name(session: str) -> str:
    """The name of a session in Redis: a digest, so that a copy of Redis does not reveal the token of its forms."""
    return hashlib.sha256(session.encode()).hexdigest()[:32]
