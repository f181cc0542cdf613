"""Attempts to sign in, and sessions that have ended: what all consoles of a ledger agree on.

While Redis is away or full, each console goes by what happened in itself.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter

import structlog

from ledger.operators import Operators
from runtime.repeated_lines import Repeats
from schemas.errors import LedgerUnavailable

OF_SOURCE = 10
OF_ALL = 100
WITHIN = 900.0
"""So many failed attempts of one source, and of all, in so many seconds. Until these are over, others are refused."""
NO_LIMIT = 10**9
"""What failed elsewhere does not keep out a browser that is known."""

log = structlog.get_logger()


class SignInLimit:
    """Limits attempts to guess a token. A source is an address, or the /64 of IPv6 that one customer gets, or a browser
    that is known: one that has signed in before, which others that guess cannot keep out."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators
        self._own: Counter[str] = Counter()
        self._own_since = time.monotonic()

    async def attempt(self, source: str, *, is_known: bool = False) -> float:
        """Count an attempt. 0 if it may go on, otherwise after how many seconds it may be made again."""
        of_all = NO_LIMIT if is_known else OF_ALL
        try:
            wait = await self._operators.try_sign_in(source, of_source=OF_SOURCE, of_all=of_all, within=WITHIN)
            self._own.pop(source, None)
            return wait
        except LedgerUnavailable as error:
            log.warning("sign_ins_counted_alone", error=str(error))
            return self._attempt_alone(source, of_all, time.monotonic())

    async def forgive(self, source: str) -> None:
        """The attempt was right: it does not count."""
        self._own.pop(source, None)
        try:
            await self._operators.forgive_sign_in(source)
        except LedgerUnavailable as error:
            log.warning("sign_in_still_counts", error=str(error))

    def _attempt_alone(self, source: str, of_all: int, now: float) -> float:
        if now - self._own_since > WITHIN:
            self._own.clear()
            self._own_since = now
        if self._own[source] >= OF_SOURCE or self._own.total() >= of_all:
            return self._own_since + WITHIN - now
        self._own[source] += 1
        return 0.0


class EndedSessions:
    """Sessions whose operators have signed out. A copy of such a cookie is refused until it expires. Other
    consoles learn of what ended here while Redis was away when it is back."""

    def __init__(self, operators: Operators) -> None:
        self._operators = operators
        self._own: dict[str, float] = {}
        self._unsent: dict[str, float] = {}
        self._away = Repeats()

    async def end(self, session: str, ends_at: float) -> None:
        """The session, whose cookie is valid until then (UNIX seconds), ends now."""
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
        """Have the other consoles know of those that have ended here."""
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
    """What Redis knows a session by: a copy of Redis does not hold the key of its forms."""
    return hashlib.sha256(session.encode()).hexdigest()[:32]
