"""The callbacks of one turn of a lane that are under way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any


class CallbacksUnderWay:
    """The unfinished callbacks of one turn of a lane."""

    def __init__(self) -> None:
        self.count = 0
        self._few = 0
        self._is_few = asyncio.Event()

    def begin(self, callbacks: Iterable[asyncio.Task[Any]]) -> None:
        """Count these until they end."""
        for callback in callbacks:
            self.count += 1
            callback.add_done_callback(self._end)

    async def halve(self, within: float) -> bool:
        """Wait until half of the callbacks have ended, `within` seconds at most; return whether any has."""
        before = self.count
        self._few = before // 2
        self._is_few.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._is_few.wait()
        return self.count < before

    def _end(self, _callback: asyncio.Task[Any]) -> None:
        self.count -= 1
        if self.count <= self._few:
            self._is_few.set()
