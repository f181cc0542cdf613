"""A token bucket for each source of webhooks, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict


class RateLimiter:
    """Each source may send `burst` at once and `rate` a second on average. At most `sources` are remembered. The source
    that was seen least recently is forgotten first, which only fills its bucket."""

    def __init__(self, *, rate: float, burst: float, sources: int = 10_000) -> None:
        self._rate = rate
        self._burst = burst
        self._sources = sources
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admits(self, source: str, now: float) -> bool:
        """Take one token of this source at `now` (seconds of a steady clock), if there is one."""
        buckets = self._buckets
        tokens, at = buckets.get(source, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self._rate)
        admitted = tokens >= 1
        buckets[source] = (tokens - 1 if admitted else tokens, now)
        buckets.move_to_end(source)
        if len(buckets) > self._sources:
            buckets.popitem(last=False)
        return admitted

    def __len__(self) -> int:
        return len(self._buckets)
