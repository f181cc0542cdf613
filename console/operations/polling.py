"""Read something again and again, until it is what is waited for or the time is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def poll(read: Callable[[], Awaitable[T]], is_done: Callable[[T], bool], *, within: float, every: float) -> T:
    """What `read` returns as soon as `is_done` says so; `within` so many seconds, else what it returned last. There are
    `every` seconds between two reads. Errors of both functions are raised."""
    ends = time.monotonic() + within
    while True:
        found = await read()
        if is_done(found) or time.monotonic() >= ends:
            return found
        await asyncio.sleep(every)
