"""Limit what Dramatiq's consumer threads log while they cannot fetch kicks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from dramatiq import Worker

from runtime.repeated_lines import Repeats


def limit_consumer_logs(worker: Worker) -> None:
    """Limit all consumers of a worker together to one warning a minute: while Redis is away, each would log two lines
    every three seconds."""
    once_a_minute = OnceAMinute()
    for consumer in worker.consumers.values():
        consumer.logger.addFilter(once_a_minute)


class OnceAMinute(logging.Filter):
    """Passes one warning a minute, and every line below a warning. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._repeats = Repeats(clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if str(record.msg).startswith("Restarting consumer"):
            return False
        if record.levelno < logging.WARNING:
            return True
        with self._lock:
            return self._repeats.times("") is not None  # whatever their words are
