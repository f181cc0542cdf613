"""The pace of look-ups: webhooks come in bursts, and a short wait turns many look-ups into one."""

from __future__ import annotations

SHORTEST = 0.02
PER_PAYMENT = 0.004
LONGEST = 0.15
"""Seconds between two look-ups for one merchant: the more payments a batch had, the longer the next one gathers."""


class Pace:
    """When each lane may be claimed again, in seconds of any clock. A payment after a pause never waits."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def wait(self, lane: str, now: float) -> float:
        """Seconds to gather before the next claim."""
        return max(self._next.get(lane, 0.0) - now, 0.0)

    def claimed(self, lane: str, count: int, now: float, *, full: bool) -> None:
        """A claim gave ``count`` payments; a ``full`` batch has a backlog behind it, which waits for nothing."""
        self._next.pop(lane, None)
        if count and not full:
            self._next[lane] = now + min(SHORTEST + PER_PAYMENT * count, LONGEST)
