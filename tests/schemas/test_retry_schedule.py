"""Schedules: the waits between tries are data."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.retry_schedule import exhausted, jittered, until_next, wait

SCHEDULE = (5.0, 30.0, 120.0)


def test_the_last_wait_repeats() -> None:
    """After the end of a schedule its last wait goes on for ever."""
    assert [wait(SCHEDULE, tries) for tries in range(6)] == [5.0, 30.0, 120.0, 120.0, 120.0, 120.0]


def test_the_next_turn_is_told_by_the_time_that_has_passed() -> None:
    """5, 35, 155, 275 … seconds after the start, however often somebody came in between."""
    times = [-3.0, 0.0, 4.0, 5.0, 34.5, 35.0, 154.0, 155.0, 274.0, 275.0, 300.0]
    assert [until_next(SCHEDULE, at) for at in times] == [5, 5, 1, 30, 0.5, 120, 1, 120, 1, 120, 95]


@pytest.mark.parametrize("wait", [0.1, 0.3, 0.4, 0.7, 1.0])
def test_a_turn_never_comes_at_once(wait: float) -> None:
    """Waits below a second, told by whole ones: what is left of a turn may be no more than a float's rounding."""
    for schedule in ((wait,), (0.2, wait), (wait / 2, wait)):
        assert all(until_next(schedule, elapsed) >= min(schedule) / 2 for elapsed in range(200))


def test_a_schedule_of_three_waits_allows_four_tries() -> None:
    """A schedule is used up once every wait has been waited."""
    assert [exhausted(SCHEDULE, tries) for tries in range(5)] == [False, False, False, True, True]


@given(st.integers(), st.floats(min_value=0, max_value=1e6))
def test_jitter_stays_within_a_fifth(seed: int, seconds: float) -> None:
    """A wait moves by 20 % at most, to either side."""
    moved = jittered(seconds, random.Random(seed))
    assert seconds * 0.8 <= moved <= seconds * 1.2


def test_jitter_comes_from_the_given_generator() -> None:
    """The same seed gives the same wait, so that runs can be repeated."""
    assert jittered(10.0, random.Random(7)) == jittered(10.0, random.Random(7))
