"""Waiting for something that has to be read again and again."""

from __future__ import annotations

import time
from itertools import count

from console.operations.polling import poll


async def test_what_is_waited_for_is_returned_at_once() -> None:
    """No read follows the one that shows it."""
    numbers = count()

    async def read() -> int:
        return next(numbers)

    assert await poll(read, lambda number: number == 3, within=10, every=0.001) == 3
    assert next(numbers) == 4


async def test_what_never_comes_is_returned_as_it_was_last() -> None:
    """There is one read at least, and none long after the time."""
    began, numbers = time.monotonic(), count()

    async def read() -> int:
        return next(numbers)

    assert await poll(read, lambda _: False, within=0, every=10) == 0
    last = await poll(read, lambda _: False, within=0.05, every=0.01)
    assert 1 <= last <= 6
    assert time.monotonic() - began < 5
