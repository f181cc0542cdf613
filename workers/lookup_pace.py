"""The pace of look-ups: webhooks come in bursts, and a short wait turns many look-ups into one."""

from __future__ import annotations

SHORTEST = 0.02
PER_PAYMENT = 0.004
LONGEST = 0.15
"""Seconds between two look-ups for one merchant. The more payments a batch had, the longer the next claim waits."""


class Pace:
    """When each lane may be claimed again, in seconds of any clock. The first claim after an idle time never waits."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def wait(self, lane: str, now: float) -> float:
        """Seconds to wait before the next claim."""
        return max(self._next.get(lane, 0.0) - now, 0.0)

    def claimed(self, lane: str, count: int, now: float, *, full: bool) -> None:
        """Record a claim of ``count`` payments. After a ``full`` batch the next claim does not wait."""
        self._next.pop(lane, None)
        if count and not full:
            self._next[lane] = now + min(SHORTEST + PER_PAYMENT * count, LONGEST)
