"""Group commit: who is written together with whom, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ledger.group_commit import GroupCommit
from schemas.errors import LedgerRefused
from tests.support.reasons import because
from tests.support.waiting import until


class Writing:
    """Lists that were begun, each of which ends when the test says so."""

    def __init__(self, **options: Any) -> None:
        self.begun: list[list[int]] = []
        self._ends: list[asyncio.Future[None]] = []
        self._batch: GroupCommit[int, int] = GroupCommit(self._write, **options)
        self._callers: list[asyncio.Task[int]] = []

    async def _write(self, items: Sequence[int]) -> Sequence[int | Exception]:
        end = asyncio.get_running_loop().create_future()
        self.begun.append(list(items))
        self._ends.append(end)
        await end
        return [ValueError(str(item)) if item < 0 else item * 2 for item in items]

    async def add(self, *items: int) -> None:
        """Callers come, one for each item."""
        self._callers += [asyncio.create_task(self._batch.add(item)) for item in items]
        await self.settle()

    async def end(self, place: int, error: BaseException | None = None) -> None:
        """The list begun at this place is written, or fails."""
        if error is None:
            self._ends[place].set_result(None)
        else:
            self._ends[place].set_exception(error)
        await self.settle()

    async def settle(self) -> None:
        """Everything that can happen now has happened."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def answers(self) -> list[int | BaseException]:
        """What the callers got, in the order they came in."""
        return await asyncio.gather(*self._callers, return_exceptions=True)

    @property
    def left(self) -> list[int]:
        """The callers that wait, by their number from 1."""
        return [number for number, caller in enumerate(self._callers, 1) if not caller.done()]

    def leave(self, caller: int) -> None:
        """A caller goes before its turn."""
        self._callers[caller].cancel()


async def test_what_waits_meanwhile_is_written_together() -> None:
    """The first goes alone, at once; who comes while it is written goes with the next list, `most` at a time."""
    writing = Writing(most=3)
    await writing.add(1)
    await writing.add(2, 3, 4, 5)
    assert writing.begun == [[1]]
    await writing.end(0)
    await writing.end(1)
    await writing.end(2)
    assert writing.begun == [[1], [2, 3, 4], [5]]
    assert await writing.answers() == [2, 4, 6, 8, 10]


async def test_who_has_waited_for_too_long_goes() -> None:
    """Whether the item is being written or still waits; who came later waits on, and what nobody waits for any more is
    not written."""
    writing = Writing(patience=2.0)
    await writing.add(1)
    await writing.add(2)
    await asyncio.sleep(1.0)
    await writing.add(3)
    await until(lambda: writing.left == [3], "the first two have gone")
    await writing.end(0)
    assert writing.begun == [[1], [3]]
    await writing.end(1)
    gone, also_gone, answered = await writing.answers()
    assert isinstance(gone, TimeoutError)
    assert isinstance(also_gone, TimeoutError)
    assert answered == 6


async def test_a_second_list_is_begun_when_enough_wait() -> None:
    """Not before, and never a third; what is too little for the writer that ends is taken along by the other."""
    writing = Writing(at_once=2, enough=3)
    await writing.add(1)
    await writing.add(2, 3)
    assert writing.begun == [[1]]
    await writing.add(4)
    assert writing.begun == [[1], [2, 3, 4]]
    await writing.add(5, 6, 7, 8)
    assert writing.begun == [[1], [2, 3, 4]]
    await writing.end(0)
    assert writing.begun == [[1], [2, 3, 4], [5, 6, 7, 8]]
    await writing.add(9)
    await writing.end(2)
    assert len(writing.begun) == 3
    await writing.end(1)
    assert writing.begun[3] == [9]
    await writing.end(3)
    await writing.add(10)
    assert writing.begun[4] == [10]
    await writing.end(4)
    assert await writing.answers() == [item * 2 for item in range(1, 11)]


async def test_an_error_is_its_items_alone_or_its_lists() -> None:
    """One among the answers is raised for its item, one that is raised for all of its list; later ones go on."""
    writing = Writing(at_once=2, enough=2)
    await writing.add(1)
    await writing.add(-2, 3)
    await writing.end(0, ConnectionError("gone"))
    await writing.add(4)
    await writing.end(1)
    await writing.end(2)
    answers = await writing.answers()
    assert [type(answer) for answer in answers] == [ConnectionError, ValueError, int, int]


@pytest.mark.parametrize("at_once", [1, 2])
async def test_who_has_gone_is_not_written(at_once: int) -> None:
    """A caller that left before its turn is left out; one that leaves during it does not affect others."""
    writing = Writing(at_once=at_once, enough=100)
    await writing.add(1)
    await writing.add(2, 3)
    writing.leave(0)
    writing.leave(1)
    await writing.end(0)
    assert writing.begun == [[1], [3]]
    await writing.end(1)
    answers = await writing.answers()
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [True, True, False]


async def test_what_redis_refuses_takes_nothing_with_it() -> None:
    """A list that is refused is written again, one by one: only the item that is the reason fails."""
    written: list[list[int]] = []

    async def write(items: Sequence[int]) -> Sequence[int]:
        written.append(list(items))
        if 2 in items:
            raise LedgerRefused(because("a script breaks off"))
        return items

    batch: GroupCommit[int, int] = GroupCommit(write)
    answers = await asyncio.gather(*(batch.add(n) for n in range(5)), return_exceptions=True)
    assert [answer if isinstance(answer, int) else type(answer) for answer in answers] == [0, 1, LedgerRefused, 3, 4]


async def test_a_redis_that_refuses_everything_is_not_asked_for_each() -> None:
    """Trouble must not make more work: the list, two of its items, and no more."""
    written: list[list[int]] = []

    async def write(items: Sequence[int]) -> Sequence[int]:
        written.append(list(items))
        raise LedgerRefused(because("upstream failure"))

    batch: GroupCommit[int, int] = GroupCommit(write)
    first = asyncio.create_task(batch.add(-1))
    await asyncio.sleep(0)
    answers = await asyncio.gather(first, *(batch.add(n) for n in range(100)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [LedgerRefused] * 101
    assert len(written) <= 4


async def test_what_is_heavy_is_written_alone() -> None:
    """A list takes what waits as long as it is not too heavy together; one that is too heavy by itself goes alone."""
    writing = Writing(weight=lambda item: item, heaviest=10)
    await writing.add(1)
    await writing.add(4, 5, 2, 30, 1, 1)
    for place in range(4):
        await writing.end(place)
    assert writing.begun == [[1], [4, 5], [2], [30], [1, 1]]


@pytest.mark.parametrize("at_once", [1, 2])
async def test_who_waits_for_a_writer_that_is_cancelled_ends(at_once: int) -> None:
    """A loop that ends cancels the writer with all tasks; who writes something last must not wait for it for ever."""
    writing = asyncio.Event()

    async def write(items: Sequence[int]) -> Sequence[int]:
        writing.set()
        await asyncio.Event().wait()
        return items

    batch: GroupCommit[int, int] = GroupCommit(write, at_once=at_once, enough=100)
    before = asyncio.all_tasks()
    first = asyncio.create_task(batch.add(1))
    await writing.wait()
    (writer,) = asyncio.all_tasks() - before - {first}
    second = asyncio.create_task(batch.add(2))
    await asyncio.sleep(0)
    writer.cancel()
    async with asyncio.timeout(10):
        answers = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(answer) for answer in answers] == [asyncio.CancelledError] * 2


async def test_a_list_with_too_few_answers_fails_as_a_whole() -> None:
    """Its writer has a bug. The callers learn of it instead of waiting for ever, and the next list is written."""
    answers: list[list[int]] = [[], [4]]

    async def write(_items: Sequence[int]) -> Sequence[int | Exception]:
        return answers.pop(0)

    batch: GroupCommit[int, int] = GroupCommit(write)
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="0 answers to 1 item"):
            await batch.add(1)
        assert await batch.add(2) == 4
