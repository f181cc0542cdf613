"""Repeated log lines: the first is written at once, then one a minute with the number of repetitions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

AGAIN_AFTER = 60.0
"""Seconds between two lines with the same words."""
MOST = 64
"""The most different texts that are counted separately; all further ones (texts with a number in each, say) count as
one."""
_OTHERS = "…"


class Repeats:
    """Decides when the same words are written again. ``clock`` is any steady clock, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, int]] = {}

    def times(self, words: str) -> int | None:
        """None if these words are not to be written now; else how often they came since they were last written."""
        now = self._clock()
        if words not in self._seen and len(self._seen) >= MOST:
            self._forget(now)
            if len(self._seen) >= MOST:
                words = _OTHERS
        at, count = self._seen.get(words, (now - AGAIN_AFTER, 0))
        if now - at < AGAIN_AFTER:
            self._seen[words] = (at, count + 1)
            return None
        self._seen[words] = (now, 0)
        return count + 1

    def _forget(self, now: float) -> None:
        self._seen = {words: seen for words, seen in self._seen.items() if now - seen[0] < AGAIN_AFTER}


class OnceAMinute(logging.Filter):
    """Passes one line of a library a minute for each result of ``words``; any thread may log. ``clock`` is in
    seconds."""

    def __init__(self, words: Callable[[logging.LogRecord], str], clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._words = words
        self._lock = threading.Lock()
        self._repeats = Repeats(clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        with self._lock:
            return self._repeats.times(self._words(record)) is not None
