"""Order, repetition and loss of look-ups do not change a payment's facts, ids and final status."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas import wire
from schemas.payments.decide import Record, decide
from schemas.payments.events import event_id
from schemas.payments.facts import cancelled_amount
from tests.support.payments import IMP_UID, OPEN_POLICY, Life, found, lives, looked


@st.composite
def shuffled(draw: st.DrawFn) -> tuple[Life, list[int]]:
    """A life, and the places of its look-ups in any order, repeated or lost, but including the last."""
    life = draw(lives())
    last = len(life.looks) - 1
    places = draw(st.lists(st.integers(0, last), max_size=8))
    places.insert(draw(st.integers(0, len(places))), last)
    return life, places


@given(shuffled())
def test_the_last_look_up_decides(case: tuple[Life, list[int]]) -> None:
    """Any look-ups that include the last one give all the facts that it proves, and the final status."""
    life, places = case
    last = life.looks[-1]
    record = looked(*(life.looks[place] for place in places))
    in_order = looked(*life.looks)
    assert {fact.key for fact in found(last[1], last[0])} <= set(record.facts)
    assert record.status == in_order.status == looked(last).status
    assert cancelled_amount(record.facts.values()) == last[1].cancel_amount


@given(lives())
def test_a_stale_look_adds_nothing(life: Life) -> None:
    """After the last look, no earlier answer that comes within a minute makes an event or replaces the last."""
    for first in (looked(*life.looks), looked(life.looks[-1])):
        record = first
        for place, (_, snapshot) in enumerate(life.looks):
            change = decide(record, snapshot, life.looks[-1][0] + place, OPEN_POLICY)
            assert change.events == ()
            record = change.record
        assert record.snapshot == life.looks[-1][1]
        assert record.status == first.status


@given(shuffled())
def test_what_is_announced_adds_up(case: tuple[Life, list[int]]) -> None:
    """Sequences count up, statuses follow each other, ids are new, no more is announced than `cancel_amount`."""
    life, places = case
    record = Record("default", IMP_UID)
    bodies, most = [], life.looks[0][1].cancel_amount
    for now, snapshot in (life.looks[place] for place in places):
        most = max(most, snapshot.cancel_amount)
        change = decide(record, snapshot, now, OPEN_POLICY)
        record = change.record
        bodies += [wire.loads(event.body) for event in change.events]
        assert cancelled_amount(record.facts.values()) == most
    data = [body["data"] for body in bodies]
    assert [row["sequence"] for row in data] == list(range(1, len(data) + 1))
    assert all(after["previous_status"] == before["status"] for before, after in pairwise(data))
    assert all(after["cancelled_amount"] >= before["cancelled_amount"] for before, after in pairwise(data))
    assert not data or (data[0]["previous_status"] is None and data[-1]["status"] == record.status)
    assert len({body["id"] for body in bodies}) == len(bodies)
    assert {body["id"] for body in bodies} <= {event_id("default", IMP_UID, key) for key in record.facts}


@given(lives())
def test_a_payment_that_only_goes_on_contradicts_nothing(life: Life) -> None:
    """While i'mport takes nothing back, its object bears out every event, after each look."""
    record = Record("default", IMP_UID)
    for now, snapshot in life.looks:
        record = decide(record, snapshot, now, OPEN_POLICY).record
        assert record.contradicts == ()


@given(shuffled())
def test_what_is_shown_again_is_contradicted_no_more(case: tuple[Life, list[int]]) -> None:
    """Whatever was taken back for however long: once the last look is made again, it bears out everything."""
    life, places = case
    record, now = looked(*life.looks), life.looks[-1][0]
    for place in places:
        now += 61
        change = decide(record, life.looks[place][1], now, OPEN_POLICY)
        record = decide(change.record, life.looks[place][1], now + 61, OPEN_POLICY).record
        assert change.events == ()
        assert record.snapshot == life.looks[place][1]
        now += 61
    record = decide(record, life.looks[-1][1], now, OPEN_POLICY).record
    assert (record.contradicts, record.possible_retraction, record.snapshot) == ((), None, life.looks[-1][1])
    assert record.facts == looked(*life.looks).facts
