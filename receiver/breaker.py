"""Whether the ledger is worth asking: after a failure nobody waits for it again until a probe has succeeded."""

from __future__ import annotations

FIRST_WAIT = 0.5
LONGEST_WAIT = 2.0
"""Seconds between probes: they double from the first to the longest."""


class Breaker:
    """Closed while all is well. `now` is in seconds of any steady clock."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._wait = FIRST_WAIT
        self._next_try = 0.0

    @property
    def closed(self) -> bool:
        """The last thing heard of the ledger is that it works."""
        return self.reason is None

    def trip(self, now: float, reason: str) -> bool:
        """The ledger failed; whether that is news."""
        news = self.closed
        self._wait = FIRST_WAIT if news else min(self._wait * 2, LONGEST_WAIT)
        self._next_try = now + self._wait
        self.reason = reason
        return news

    def reset(self) -> bool:
        """The ledger works; whether that is news."""
        news = not self.closed
        self.reason = None
        return news

    def admits(self, now: float) -> bool:
        """Whether the ledger may be asked now; while the breaker is open that is one caller a wait, the probe."""
        if self.closed:
            return True
        if now < self._next_try:
            return False
        self._next_try = now + self._wait
        return True
