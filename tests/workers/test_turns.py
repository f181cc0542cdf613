"""A lane's look-ups follow each other, and what gathers meanwhile is the next one's."""

from __future__ import annotations

import asyncio

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


def test_a_kick_is_for_others_while_a_turn_looks_payments_up() -> None:
    """And once it has been settling them for long: another worker may be free. Another lane's kicks stay here."""
    now = 100.0
    turns = Turns(lambda _: None, clock=lambda: now)
    assert turns.takes(LANE)
    with turns.of(LANE):
        assert not turns.takes(LANE)
        assert turns.takes(OTHER)
        turns.settle(LANE)
        assert turns.takes(LANE)
        now += 2 * TURN
        assert not turns.takes(LANE)
    assert turns.takes(LANE)


async def test_a_process_with_much_to_do_takes_up_no_more() -> None:
    """Nor does one that is stopping; it waits for the turns that are under way."""
    may_end, worked = asyncio.Event(), list[str]()

    async def work(lane: str) -> None:
        await may_end.wait()
        worked.append(lane)

    taken_up = TakenUp(work)
    lanes = [str(number) for number in range(MOST_TAKEN_UP)]
    assert [taken_up.begin(lane) for lane in lanes] == [True] * MOST_TAKEN_UP
    assert not taken_up.begin("one more")
    finishing = asyncio.create_task(taken_up.finish(60))
    await asyncio.sleep(0)
    may_end.set()
    await finishing
    assert worked == lanes
    assert not taken_up.begin("another")


async def test_the_error_of_a_turn_that_was_taken_up_is_logged() -> None:
    """Redis that is away is no bug of ours; both leave the lane to the sweep."""
    errors = [LedgerUnavailable(because("Redis cannot be relied on")), KeyError("a bug")]

    async def work(_: str) -> None:
        raise errors.pop(0)

    taken_up = TakenUp(work)
    with structlog.testing.capture_logs() as lines:
        assert taken_up.begin("refresh/shop")
        assert taken_up.begin("refresh/shop")
        await taken_up.finish(60)
    assert [(line["event"], line["log_level"]) for line in lines] == [("lane_left", "warning"), ("turn_broke", "error")]
