"""Group commit: whatever waits at the same time is written together, so one fsync serves many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batch(Generic[Item, Answer]):
    """Collects the items of concurrent callers and hands them to ``write``, one list at a time.

    ``write`` gives an answer for each item, in order; an exception among the answers is raised for its item alone, one
    that ``write`` raises is raised for all of the list. An item whose caller has gone before its turn is not written.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]], *, most: int = 512):
        self._write = write
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Answer:
        """What ``write`` answers to this item."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return await future

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                together, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                wanted = [(item, future) for item, future in together if not future.done()]
                if wanted:
                    await self._write_some(wanted)
        finally:
            self._writer = None

    async def _write_some(self, together: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._write([item for item, _ in together])
        except BaseException as error:
            for _, future in together:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(together, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
