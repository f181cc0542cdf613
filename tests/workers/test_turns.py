"""A lane's look-ups follow each other, and what gathers meanwhile is the next one's."""

from __future__ import annotations

from ledger.keys import Lane
from workers.turns import Turns

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
