"""Consumers that cannot fetch kicks say so once a minute."""

from __future__ import annotations

import logging

from runtime.repeated_lines import AGAIN_AFTER
from workers.consumer_log import ConsumerFilter


def record(text: str, level: int = logging.CRITICAL) -> logging.LogRecord:
    """A line as Dramatiq writes it."""
    return logging.LogRecord("dramatiq.worker.ConsumerThread(refresh)", level, "", 0, text, None, None)


def test_one_line_a_minute_is_enough() -> None:
    """All queues together; retries are not logged at all, and lines below a warning always are."""
    now = [0.0]
    limited = ConsumerFilter(clock=lambda: now[0])
    trouble = record("Consumer encountered a connection error: %s")
    assert [limited.filter(trouble) for _ in range(3)] == [True, False, False]
    assert not limited.filter(record("Restarting consumer in %0.2f seconds.", logging.INFO))
    assert limited.filter(record("Running consumer thread...", logging.DEBUG))
    now[0] = AGAIN_AFTER
    assert [limited.filter(trouble) for _ in range(2)] == [True, False]
