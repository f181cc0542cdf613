"""Long pure work beside the event loop: thousands of rows must not keep other lanes waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

LONG = 200
"""Rows from which on work counts as long: it takes some ten milliseconds."""


async def offload(work: Callable[..., Answer], *args: object, rows: int) -> Answer:
    """What ``work(*args)`` gives; where it goes through many ``rows``, it is done in a thread."""
    return work(*args) if rows < LONG else await asyncio.to_thread(work, *args)
