"""A lane's look-ups follow each other, and what gathers meanwhile is the next one's."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog.testing

from ledger.constants import TURN
from ledger.keys import Lane
from schemas.errors import LedgerUnavailable
from tests.support.reasons import because
from workers.turns import MOST_TAKEN_UP, TakenUp, Turns

LANE, OTHER = Lane("refresh", "shop"), Lane("refresh", "other")


def test_a_kick_during_a_turn_is_sent_again_after_it() -> None:
    """Once, however many came; another lane has turns of its own."""
    again: list[Lane] = []
    turns = Turns(again.append)
    with turns.of(LANE) as first:
        assert first is not None
        for _ in range(3):
            with turns.of(LANE) as second:
                assert second is None
        with turns.of(OTHER) as other:
            assert other is not None
        assert again == []
    assert again == [LANE]
    with turns.of(LANE) as third:
        assert third is not None
    assert again == [LANE]


def test_a_turn_that_fails_ends_as_well() -> None:
    """The lane is not stuck."""
    again: list[Lane] = []
    turns = Turns(again.append)
    try:
        with turns.of(LANE), turns.of(LANE):
            raise KeyError
    except KeyError:
        pass
    assert again == [LANE]
    with turns.of(LANE) as turn:
        assert turn is not None


def test_one_writes_while_the_next_looks_up() -> None:
    """But no third begins before one of them is done."""
    again: list[Lane] = []
    turns = Turns(again.append)
    with turns.of(LANE) as first:
        assert first is not None
        turns.let_next_begin(LANE, first)
        with turns.of(LANE) as second:
            assert second is not None
            turns.let_next_begin(LANE, second)
            with turns.of(LANE) as third:
                assert third is None
        assert again == [LANE]
    with turns.of(LANE) as fourth:
        assert fourth is not None
        turns.let_next_begin(LANE, fourth)
        with turns.of(LANE) as fifth:
            assert fifth is not None


def test_a_worker_goes_on_with_a_lane_whose_payments_it_settles() -> None:
    """Not while it looks them up, nor once the turn has taken long: others may be free. Then the kick is for them."""
    now, again = 100.0, list[Lane]()
    turns = Turns(again.append, clock=lambda: now)
    assert not turns.continues(LANE)
    with turns.of(LANE) as turn:
        assert turn is not None
        assert not turns.continues(LANE)
        turns.settle(LANE, turn)
        assert turns.continues(LANE)
        assert not turns.continues(OTHER)
        now += 2 * TURN
        assert not turns.continues(LANE)
        assert turns.hands_over(LANE)
        assert not turns.hands_over(LANE)
    assert again == []
    with turns.of(LANE) as turn:
        assert turn is not None
        turns.settle(LANE, turn)
        assert turns.continues(LANE)
    assert again == [LANE]
    assert not turns.continues(LANE)


def test_a_turn_that_was_closed_early_settles_for_itself() -> None:
    """The next one still looks payments up, so what is kicked then is for others."""
    turns = Turns(lambda _: None)
    with turns.of(LANE) as first:
        assert first is not None
        turns.let_next_begin(LANE, first)
        with turns.of(LANE) as second:
            assert second is not None
            turns.settle(LANE, first)
            assert not turns.continues(LANE)
            assert not turns.hands_over(LANE)


async def test_a_process_with_much_to_do_begins_no_more() -> None:
    """Nor does one that is stopping; it waits for what is under way."""
    may_end, worked = asyncio.Event(), list[int]()

    async def work(number: int) -> None:
        await may_end.wait()
        worked.append(number)

    taken_up, numbers = TakenUp(), list(range(MOST_TAKEN_UP))
    assert [taken_up.begin(LANE, partial(work, number)) for number in numbers] == [True] * MOST_TAKEN_UP
    assert not taken_up.begin(LANE, partial(work, -1))
    finishing = asyncio.create_task(taken_up.finish(60))
    await asyncio.sleep(0)
    may_end.set()
    await finishing
    assert worked == numbers
    assert not taken_up.begin(LANE, partial(work, -1))


async def test_errors_that_no_caller_sees_are_logged() -> None:
    """Redis that is away is no bug of ours; both leave the lane to the sweep."""

    async def fail(error: Exception) -> None:
        raise error

    taken_up = TakenUp()
    with structlog.testing.capture_logs() as lines:
        for error in (LedgerUnavailable(because("Redis is unavailable")), KeyError("a bug")):
            assert taken_up.begin(LANE, partial(fail, error))
        await taken_up.finish(60)
    levels = [(line["event"], line["log_level"]) for line in lines]
    assert levels == [("lane_left", "warning"), ("turn_crashed", "error")]
