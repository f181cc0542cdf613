"""Group commit: items that wait at the same time are written together, so one fsync serves many."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

from schemas.errors import LedgerRefused

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class GroupCommit(Generic[Item, Answer]):
    """Collects the items of concurrent callers and passes them to ``write`` in lists.

    A list has at most ``most`` items; with a ``weight``, its items weigh at most ``heaviest`` together, unless it has
    only one.

    Up to ``at_once`` lists are written at the same time. While one is being written, the next begins as soon as
    ``enough`` items wait, so that making items and writing them overlap.

    ``write`` returns an answer for each item, in order. An exception among the answers is raised for its item alone.
    An exception that ``write`` raises is raised for the whole list. Items that failed together with `LedgerRefused` are
    written again, each by itself. If its caller was cancelled before its turn, an item is not written.

    With ``patience``, a caller that has waited for so many seconds gets a `TimeoutError`. One timer serves all callers.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        *,
        most: int = 512,
        at_once: int = 1,
        enough: int = 1,
        weight: Callable[[Item], int] | None = None,
        heaviest: int = 0,
        patience: float | None = None,
    ) -> None:
        self._write = write
        self._most = most
        self._at_once = at_once
        self._enough = enough
        self._weight = weight
        self._heaviest = heaviest
        self._patience = patience
        self._deadlines: deque[tuple[float, asyncio.Future[Answer]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._writing = 0
        self._writers: set[asyncio.Task[None]] = set()

    async def add(self, item: Item) -> Answer:
        """Write an item with others; return the answer of ``write`` to it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, future))
        if self._patience is not None:
            self._deadlines.append((loop.time() + self._patience, future))
            if self._timer is None:
                self._timer = loop.call_later(self._patience, self._lose_patience)
        if not self._writing or (self._writing < self._at_once and len(self._waiting) >= self._enough):
            self._writing += 1
            writer = asyncio.create_task(self._write_all())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await future

    def _lose_patience(self) -> None:
        """Give up the items that have waited for too long, and come back when the next one may have."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, future = self._deadlines.popleft()
            if not future.done():
                future.set_exception(TimeoutError())
        self._forget_answered()
        next_at = self._deadlines[0][0] if self._deadlines else None
        self._timer = None if next_at is None else loop.call_at(next_at, self._lose_patience)

    def _forget_answered(self) -> None:
        while self._deadlines and self._deadlines[0][1].done():
            self._deadlines.popleft()

    async def _write_all(self) -> None:
        """Write until nothing waits, or too little for a second writer: then the other writer picks up the rest."""
        try:
            while self._waiting and (self._writing == 1 or len(self._waiting) >= self._enough):
                many = self._how_many()
                together, self._waiting = self._waiting[:many], self._waiting[many:]
                wanted = [(item, future) for item, future in together if not future.done()]
                if wanted:
                    await self._write_some(wanted)
        except BaseException as error:
            # While the loop ends, no other writer comes for the items that are left: their callers would wait in vain.
            left, self._waiting = self._waiting, []
            _fail(left, error)
            raise
        finally:
            self._writing -= 1

    def _how_many(self) -> int:
        """How many of the waiting items go into the next list."""
        if self._weight is None:
            return self._most
        together = 0
        for place, (item, _) in enumerate(self._waiting[: self._most]):
            together += self._weight(item)
            if together > self._heaviest:
                return max(place, 1)
        return self._most

    async def _write_some(self, together: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        items = [item for item, _ in together]
        try:
            answers = await self._write_refused_again(items)
            if len(answers) != len(items):
                raise RuntimeError(f"{len(answers)} answers to {len(items)} items")
        except BaseException as error:
            _fail(together, error)
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
        self._forget_answered()

    async def _write_refused_again(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        try:
            answers = list(await self._write(items))
        except LedgerRefused:
            if len(items) == 1:
                raise
            return await self._write_each(items)
        refused = [place for place, answer in enumerate(answers) if isinstance(answer, LedgerRefused)]
        if refused and len(items) > 1:
            each = await self._write_each([items[place] for place in refused])
            for place, answer in zip(refused, each, strict=True):
                answers[place] = answer
        return answers

    async def _write_each(self, items: Sequence[Item]) -> Sequence[Answer | Exception]:
        """Write one by one, so that an item which Redis refuses does not fail the others. If Redis refuses the first
        two, it refuses everything, and the rest is not tried."""
        answers: list[Answer | Exception] = []
        for item in items:
            try:
                answers += await self._write([item])
            except LedgerRefused as error:
                answers.append(error)
            if len(answers) == 2 and all(isinstance(answer, LedgerRefused) for answer in answers):
                return [*answers, *answers[1:] * (len(items) - 2)]
        return answers


def _fail(items: Iterable[tuple[object, asyncio.Future[Answer]]], error: BaseException) -> None:
    """Raise the error for each of these callers that still waits."""
    for _, future in items:
        if not future.done():
            future.set_exception(error)
