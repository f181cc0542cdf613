"""A change of many facts in steps: however it is cut, and wherever it breaks off, the same comes out."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas.payments.commit_steps import steps
from schemas.payments.decide import Change, Record, decide
from schemas.payments.events import Event
from tests.support.payments import ACCOUNT, IMP_UID, OPEN_POLICY, Life, lives
from tests.support.play import Play


def _told(events: list[Event]) -> list[tuple[str, int, str, bytes]]:
    return [(event.id, event.sequence, event.status.value, event.callback.text) for event in events]


def _in_steps(change: Change, most: int) -> Record:
    """The record after all steps, each of which follows the one before it."""
    cut = list(steps(change, most))
    assert [step.is_first for step in cut] == [place == 0 for place in range(len(cut))]
    assert [step.is_last for step in cut] == [place == len(cut) - 1 for place in range(len(cut))]
    assert cut[0].change.previous is change.previous
    assert all(after.change.previous is before.change.record for before, after in pairwise(cut))
    assert [event for step in cut for event in step.change.events] == list(change.events)
    assert [step.change.next_refresh for step in cut] == [None] * (len(cut) - 1) + [change.next_refresh]
    remembered = 0 if change.previous.version else len(change.previous.facts)
    assert all(len(step.change.facts) <= most + (remembered if step.is_first else 0) for step in cut)
    return replace(cut[-1].change.record, version=change.record.version)


@given(lives(), st.integers(1, 3))
def test_after_all_steps_everything_is_as_after_one(life: Life, most: int) -> None:
    """Each change in a payment's life, cut into small steps, leaves the record that it leaves whole."""
    record = Record("default", IMP_UID)
    for now, snapshot in life.looks:
        change = decide(record, snapshot, now, OPEN_POLICY)
        assert _in_steps(change, most) == change.record
        record = change.record


@given(lives(), st.integers(1, 3), st.integers(0, 8))
def test_a_look_goes_on_where_one_broke_off(life: Life, most: int, done: int) -> None:
    """After any number of steps the next look-up finds the rest, with the same ids, sequence, statuses and bytes."""
    now, snapshot = life.looks[-1]
    whole = decide(Record("default", IMP_UID), snapshot, now, OPEN_POLICY)
    written = list(steps(whole, most))[: done + 1]
    rest = decide(written[-1].change.record, snapshot, now, OPEN_POLICY)
    events = [event for step in written for event in step.change.events]
    assert _told([*events, *rest.events]) == _told(list(whole.events))
    assert replace(rest.record, version=1) == whole.record


def test_requests_change_with_the_facts_that_change_them() -> None:
    """Between the steps a request that a later step closes is still open, and one that it opens is not yet."""
    play = Play().pay().note(300, "r1").later().ask(200, "r2").take_back(300, "c1").later(120)
    whole = decide(play.record, play.shown, play.now, OPEN_POLICY)
    assert [(row.id, row.state) for row in whole.record.requests] == [("r1", "confirmed"), ("r2", "open")]
    first, last = steps(whole, 1)
    assert [(row.id, row.state) for row in first.change.record.requests] == [("r1", "confirmed"), ("r2", "sent")]
    rest = decide(first.change.record, play.shown, play.now, OPEN_POLICY)
    assert _told(list(rest.events)) == _told(list(last.change.events))
    assert rest.record.requests == whole.record.requests


def test_a_request_for_money_that_was_taken_back_is_answered_where_a_look_breaks_off() -> None:
    """Repeated cancellations are found by the previous snapshot, which the first step replaces: it writes them."""
    play = Play(**ACCOUNT, amount=0).look().deposit(5000, "d1").take_back(1004, "c1", status="paid").look()
    play.show(cancel_amount=0, cancel_history=[], cancelled_at=0).later().look().later(61).look()
    play.ask(1004, "r1").deposit(100, "d2").deposit(100, "d3").take_back(1004, "c2", status="paid").deposit(100, "d4")
    whole = decide(play.record, play.shown, play.now, OPEN_POLICY)
    assert [(row.id, row.state) for row in whole.record.requests] == [("r1", "confirmed")]
    written = next(steps(whole, 1))
    assert not written.is_last
    rest = decide(written.change.record, play.shown, play.now, OPEN_POLICY)
    assert _told([*written.change.events, *rest.events]) == _told(list(whole.events))
    assert rest.record.requests == whole.record.requests
