"""The ledger's breaker: after a failure no webhook waits for the ledger until a probe has succeeded."""

from __future__ import annotations

from schemas.reasons import Reason

FIRST_WAIT = 0.5
LONGEST_WAIT = 2.0
"""Seconds between probes: they double from the first to the longest."""


class Breaker:
    """Closed while the ledger works. `now` is in seconds of any steady clock."""

    def __init__(self) -> None:
        self.reason: Reason | None = None
        self._wait = FIRST_WAIT
        self._next_try = 0.0

    @property
    def closed(self) -> bool:
        """Whether the ledger worked the last time it was asked."""
        return self.reason is None

    def trip(self, now: float, reason: Reason) -> bool:
        """The ledger failed; return whether it was working before."""
        was_closed = self.closed
        self._wait = FIRST_WAIT if was_closed else min(self._wait * 2, LONGEST_WAIT)
        self._next_try = now + self._wait
        self.reason = reason
        return was_closed

    def reset(self) -> bool:
        """The ledger works; return whether it was failing before."""
        was_open = not self.closed
        self.reason = None
        return was_open

    def admits(self, now: float) -> bool:
        """Whether the ledger may be asked now. While the breaker is open, one caller per wait may ask: the probe."""
        if self.closed:
            return True
        if now < self._next_try:
            return False
        self._next_try = now + self._wait
        return True
