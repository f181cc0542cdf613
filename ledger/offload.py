"""Run long computations in a thread, so that thousands of rows do not block the event loop for other lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

LONG = 200
"""From so many rows on, work is done in a thread: it takes some ten milliseconds."""


async def offload(work: Callable[..., Answer], *args: object, rows: int) -> Answer:
    """The result of ``work(*args)``; run in a thread if it goes through many ``rows``."""
    return work(*args) if rows < LONG else await asyncio.to_thread(work, *args)
