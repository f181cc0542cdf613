"""An endpoint's places: grown by good answers, halved by trouble, settled near what the endpoint can take."""

from __future__ import annotations

import heapq
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.endpoints.places import FIRST, Answer, Places, after_answer, capacity, were_halved

GOOD = Answer(True, 20.0, 1000)
FAILED = Answer(False, 5.0, 1000)
answers = st.lists(st.builds(Answer, st.booleans(), st.floats(0, 60_000), st.integers(0, 1000)), max_size=100)


def after(places: Places, *told: Answer, most: int = 64) -> Places:
    """The places after these answers."""
    for answer in told:
        places = after_answer(places, answer, most)
    return places


def test_good_answers_double_them_up_to_what_the_endpoint_allows() -> None:
    """As many answers as there are places double them; never more than `max_in_flight`, and no fewer for it."""
    assert after(Places(), *[GOOD] * 4).count == 8
    assert after(Places(), *[GOOD] * 12).count == 16
    assert after(Places(), *[GOOD] * 1000).count == 64
    assert capacity(after(Places(), *[GOOD] * 10, most=2), 2) == 2


def test_a_failure_halves_them_and_then_they_grow_by_one_at_a_time() -> None:
    """After trouble it takes as many good answers as there are places to gain one."""
    halved = after(Places(count=32.0), GOOD, FAILED)
    assert halved.count == 16.5
    grown = after(halved, *[GOOD] * 16)
    assert 17.4 < grown.count < 17.5


def test_an_endpoint_that_only_fails_keeps_one() -> None:
    """Fewer would be none, and nothing would show that it is well again."""
    assert after(Places(count=64.0), *[FAILED] * 50).count == 1


def test_a_risen_latency_halves_them_but_leaves_the_first() -> None:
    """With the first places only, a latency is what it is: it counts as that of an endpoint with little to do."""
    well = after(Places(), *[replace(GOOD, in_flight=2)] * 4)
    slow = [Answer(True, 500.0, 1000)] * 100
    shrunk = next(each for n in range(100) if (each := after(replace(well, count=32.0), *slow[:n])).count < 30)
    assert shrunk.count == pytest.approx(16, abs=0.1)
    assert shrunk.slow_start_below == shrunk.count
    assert after(well, *slow).count == FIRST
    used_to = after(well, *[Answer(True, 500.0, FIRST)] * 50)
    assert used_to.unloaded == pytest.approx(500, rel=0.01)
    assert after(used_to, *[Answer(True, 500.0, 1000)] * 10).count > FIRST


def test_places_that_nobody_uses_do_not_grow() -> None:
    """One callback at a time says nothing about what an endpoint takes at once."""
    assert after(Places(count=8.0), *[replace(GOOD, in_flight=3)] * 100).count == 8


@given(answers, st.integers(1, 1000))
def test_they_stay_within_bounds(told: list[Answer], most: int) -> None:
    """At least one, at most what is allowed (or what they begin with, of which `capacity` lets so many be used); one
    answer adds one at most, and takes half at most."""
    places = Places()
    for answer in told:
        before, places = places, after_answer(places, answer, most)
        assert 1 <= places.count <= max(most, FIRST)
        assert 1 <= capacity(places, most) <= most
        assert before.count / 2 <= places.count <= before.count + 1


@given(answers)
def test_trouble_never_adds_and_good_answers_never_take(told: list[Answer]) -> None:
    """Whatever came before."""
    places = after(Places(), *told)
    assert after(places, FAILED).count <= places.count
    assert after(places, Answer(True, 0.0, 1000)).count >= places.count


@pytest.mark.parametrize("strength", [4, 8, 16, 32])
@pytest.mark.parametrize("takes", [20.0, 50.0, 300.0])
def test_they_settle_near_a_queueing_endpoints_strength(strength: int, takes: float) -> None:
    """An endpoint that works on so many at once, and lets the others wait, is sent no more than twice as many."""
    seen = simulated(strength, takes)
    assert max(seen) <= 4 * strength
    settled = seen[len(seen) // 3 :]
    assert max(settled) <= 2 * strength
    assert sum(settled) / len(settled) >= 0.75 * min(strength, 64)


def test_they_follow_an_endpoint_that_is_slower_from_now_on() -> None:
    """Three times the latency at any load is not a queue: after a while it has its places again."""
    seen = simulated(1000, 50.0, then=150.0, sends=12_000)
    assert min(seen[len(seen) // 2 :]) < 16
    assert seen[-1] >= 32


def simulated(strength: int, takes: float, *, then: float | None = None, sends: int = 6000) -> list[int]:
    """How many callbacks are under way after each answer, of an endpoint with `strength` threads that each take so many
    ms (in the second half, `then`), while there is always more to send. Answers from before the places were halved
    are left out, as the ledger does."""
    places, now, since, sent = Places(), 0.0, 0, 0
    free = [0.0] * strength
    under_way: list[tuple[float, int, float, int]] = []
    seen: list[int] = []
    while len(seen) < sends:
        while len(under_way) < capacity(places, 64):
            work = takes if then is None or len(seen) < sends / 2 else then
            ends = max(now, heapq.heappop(free)) + work
            heapq.heappush(free, ends)
            sent += 1
            heapq.heappush(under_way, (ends, sent, now, len(under_way) + 1))
        now, token, began, in_flight = heapq.heappop(under_way)
        if token >= since:
            before, places = places, after_answer(places, Answer(True, now - began, in_flight), 64)
            if were_halved(before, places):
                since = sent + 1
        seen.append(len(under_way))
    return seen
