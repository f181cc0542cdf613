"""Limit what Dramatiq's consumer threads log while they cannot fetch kicks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from dramatiq import Worker

from runtime.repeated_lines import OnceAMinute


def limit_consumer_logs(worker: Worker) -> None:
    """Limit all consumers of a worker together to one warning a minute: while Redis is away, each would log two lines
    every three seconds."""
    limited = ConsumerFilter()
    for consumer in worker.consumers.values():
        consumer.logger.addFilter(limited)


class ConsumerFilter(OnceAMinute):
    """Passes one warning a minute, whatever its words, and every line below a warning. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(lambda _: "", clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        if str(record.msg).startswith("Restarting consumer"):
            return False
        return record.levelno < logging.WARNING or super().filter(record)
