"""A batch that fails: who is asked for again, in how many questions, and when it is i'mport that is in trouble."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from iamport.responses import LookupResult
from schemas.errors import (
    IamportError,
    IamportFailing,
    IamportRefused,
    IamportUnreachable,
    TooMuchAsked,
    WrongCredentials,
)
from tests.support.reasons import because
from workers.bisect_lookup import MOST_FAILED, look_up_in_parts

HUNDRED = [f"imp_{number}" for number in range(100)]
FAILING = IamportFailing(because("i'mport answered 500"))
REFUSED = IamportRefused(because("no"), code=-1, status_code=200)


class Iamport:
    """Answers like i'mport where some payments make every answer they are in an error."""

    def __init__(self, bad: Sequence[str], error: IamportError, seconds: float = 0) -> None:
        self.asked: list[list[str]] = []
        self._bad = frozenset(bad)
        self._error = error
        self._seconds = seconds

    async def __call__(self, imp_uids: Sequence[str]) -> LookupResult:
        self.asked.append(list(imp_uids))
        await asyncio.sleep(self._seconds)
        if self._bad & frozenset(imp_uids):
            raise self._error
        return LookupResult({imp_uid: {"imp_uid": imp_uid} for imp_uid in imp_uids}, frozenset(), {}, {})


@pytest.mark.parametrize("error", [FAILING, REFUSED])
@pytest.mark.parametrize("bad", [[0], [99], [50], [3, 4, 77], list(range(20, 20 + MOST_FAILED))])
async def test_the_bad_ones_are_found(error: IamportError, bad: list[int]) -> None:
    """Every good payment is found and every bad one is failed, alone, wherever it stands in the batch."""
    names = [HUNDRED[place] for place in bad]

    looked = await look_up_in_parts(Iamport(names, error), HUNDRED)

    assert looked.failed == dict.fromkeys(names, error)
    assert set(looked.found) == set(HUNDRED) - set(names)


async def test_a_batch_that_is_well_is_one_question() -> None:
    """Nothing is split where nothing is wrong."""
    iamport = Iamport([], FAILING)

    assert set((await look_up_in_parts(iamport, HUNDRED)).found) == set(HUNDRED)
    assert iamport.asked == [HUNDRED]


@pytest.mark.parametrize("error", [FAILING, REFUSED])
async def test_an_i_mport_that_is_down_is_left_in_peace(error: IamportError) -> None:
    """Where two payments asked for alone fail as well, nothing more is asked."""
    iamport = Iamport(HUNDRED, error)

    with pytest.raises(type(error)):
        await look_up_in_parts(iamport, HUNDRED)

    assert [len(part) for part in iamport.asked] == [100, 1, 1]


@pytest.mark.parametrize("error", [IamportUnreachable(because("429")), WrongCredentials(because("401"))])
async def test_what_no_part_could_help(error: IamportError) -> None:
    """What is wrong with the connection, the rate or the credentials is wrong with every part."""
    iamport = Iamport(HUNDRED, error)

    with pytest.raises(type(error)):
        await look_up_in_parts(iamport, HUNDRED)

    assert iamport.asked == [HUNDRED]


async def test_an_answer_that_never_came_is_not_asked_for_again() -> None:
    """A batch that failed slowly is i'mport's trouble: asking for its parts would hang as long, one by one."""
    iamport = Iamport(HUNDRED[:1], FAILING, seconds=0.05)

    with pytest.raises(IamportFailing):
        await look_up_in_parts(iamport, HUNDRED, quick=0.01)

    assert iamport.asked == [HUNDRED]


class Sizes:
    """Answers like an i'mport whose payments are of these sizes, where no answer may be larger than 100."""

    def __init__(self, sizes: dict[str, int], *, slow: bool = False, seconds: float = 0) -> None:
        self.asked: list[int] = []
        self._sizes = sizes
        self._slow = slow
        self._seconds = seconds

    async def __call__(self, imp_uids: Sequence[str]) -> LookupResult:
        self.asked.append(len(imp_uids))
        await asyncio.sleep(self._seconds)
        if sum(self._sizes[imp_uid] for imp_uid in imp_uids) > 100:
            raise TooMuchAsked(because("too much"), slow=self._slow)
        return LookupResult({imp_uid: {"imp_uid": imp_uid} for imp_uid in imp_uids}, frozenset(), {}, {})


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("size", [2, 10, 40])
async def test_a_batch_that_is_too_much_is_asked_for_in_parts(size: int, slow: bool) -> None:
    """However large payments are, all are found, also where the answer was long in coming; what failed once is not
    tried again at the same size."""
    iamport = Sizes(dict.fromkeys(HUNDRED, size), slow=slow, seconds=0.01)

    looked = await look_up_in_parts(iamport, HUNDRED, quick=0.001)

    assert (set(looked.found), looked.failed) == (set(HUNDRED), {})
    in_parts = 100 // (100 // size)
    assert len(iamport.asked) <= 2 * in_parts + 8


async def test_payments_that_are_too_large_alone() -> None:
    """They have failed, however many they are; i'mport is well, and the others are found."""
    sizes = dict.fromkeys(HUNDRED, 1) | dict.fromkeys(HUNDRED[10 : 10 + 2 * MOST_FAILED], 101)

    looked = await look_up_in_parts(Sizes(sizes), HUNDRED)

    assert len(looked.failed) == 2 * MOST_FAILED
    assert set(looked.found) | set(looked.failed) == set(HUNDRED)
    alone = await look_up_in_parts(Sizes({"imp_0": 101}), ["imp_0"])
    assert set(alone.failed) == {"imp_0"}


async def test_an_i_mport_that_hangs_is_left_in_peace() -> None:
    """Where two payments asked for alone never come, either, it is not the size of the question."""
    iamport = Sizes(dict.fromkeys(HUNDRED, 101), slow=True)

    with pytest.raises(TooMuchAsked):
        await look_up_in_parts(iamport, HUNDRED)

    assert iamport.asked == [100, 1, 1]


async def test_too_many_bad_ones() -> None:
    """More than a few bad payments are i'mport in trouble."""
    with pytest.raises(IamportFailing):
        await look_up_in_parts(Iamport(HUNDRED[1:50], FAILING), HUNDRED)


async def test_trouble_that_begins_while_asking() -> None:
    """What was found by then counts; what was not asked for any more has failed."""
    iamport, asked = Iamport([HUNDRED[50]], FAILING), 0

    async def ask(imp_uids: Sequence[str]) -> LookupResult:
        nonlocal asked
        asked += 1
        if asked > 4:
            raise IamportUnreachable(because("429"))
        return await iamport(imp_uids)

    looked = await look_up_in_parts(ask, HUNDRED)

    assert {HUNDRED[0], HUNDRED[99]} <= set(looked.found)
    assert set(looked.found) | set(looked.failed) == set(HUNDRED)
    assert asked == 5
