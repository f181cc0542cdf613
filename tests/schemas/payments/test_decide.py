"""One refresh, decided: what is silent, how events follow each other, and when the next refresh is due."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from schemas import wire
from schemas.payments.decide import Policy, Record, decide
from schemas.payments.events import CallbackBody, thin
from tests.support.payments import ACCOUNT, IMP_UID, OPEN_POLICY, T0, deposit, entry, looked, seen
from tests.support.play import DAY, Play

PAID = {"status": "paid", "paid_at": T0}
ALL_AT_ONCE = PAID | {
    "cancel_amount": 1004,
    "status": "cancelled",
    "cancel_history": [entry(300, T0 + 50, "c1"), entry(704, T0 + 60, "c2")],
}


def _silent(policy: Policy, now: int, **shown: Any) -> dict[str, bool]:
    change = decide(Record("default", IMP_UID), seen(**shown), now, policy)
    return {event.type.removeprefix("payment."): event.silent for event in change.events}


def test_each_event_has_the_payment_as_it_was_after_it() -> None:
    """Status, the one before and the sum are as after this fact, even where later facts are known already."""
    change = decide(Record("default", IMP_UID), seen(**ALL_AT_ONCE), T0 + 99, OPEN_POLICY)
    names = ("sequence", "previous_status", "status", "cancelled_amount")
    told = [tuple(wire.loads(event.body)["data"][name] for name in names) for event in change.events]
    assert told == [
        (1, None, "paid", 0),
        (2, "paid", "partially_cancelled", 300),
        (3, "partially_cancelled", "cancelled", 1004),
    ]
    assert [event.type for event in change.events] == [
        "payment.paid",
        "payment.partially_cancelled",
        "payment.cancelled",
    ]
    assert (change.record.status, change.record.sequence, change.has_events) == ("cancelled", 3, True)


def test_a_rebuilt_ledger_counts_from_its_base() -> None:
    """Above anything the lost one can have used; the first event still has none before it."""
    change = decide(Record("default", IMP_UID, sequence=T0), seen(**ALL_AT_ONCE), T0 + 99, OPEN_POLICY)
    assert [event.sequence - T0 for event in change.events] == [1, 2, 3]
    assert wire.loads(change.events[0].body)["data"]["previous_status"] is None


def test_a_look_up_without_new_facts_gives_no_events() -> None:
    """The record is written all the same: it was looked at."""
    record = looked((T0, seen(**PAID)))
    change = decide(record, seen(**PAID), T0 + 9, OPEN_POLICY)
    assert (change.facts, change.events, change.has_events, change.next_refresh) == ((), (), False, None)
    assert change.record.version == record.version + 1
    assert change.previous is record


def test_what_happened_before_since_is_silent() -> None:
    """A merchant that adopts the relay hears of what happens from then on."""
    assert _silent(replace(OPEN_POLICY, since=T0 + 60), T0 + 99, **ALL_AT_ONCE) == {
        "paid": True,
        "partially_cancelled": True,
        "cancelled": False,
    }


def test_what_is_older_than_the_lookback_is_silent() -> None:
    """A late webhook for an old payment sends nothing old, but what is new of it."""
    assert _silent(Policy(lookback=39), T0 + 99, **ALL_AT_ONCE) == {
        "paid": True,
        "partially_cancelled": True,
        "cancelled": False,
    }


@pytest.mark.parametrize(
    "older",
    [
        PAID | {"cancel_amount": 0, "cancel_history": []},
        ALL_AT_ONCE | {"cancel_amount": 300, "cancel_history": [entry(300, T0 + 50, "c1")], "status": "paid"},
        {"status": "ready"},
        {"status": "failed", "failed_at": T0 + 1},
    ],
)
def test_an_older_answer_does_not_replace_a_newer_one(older: dict[str, Any]) -> None:
    """What the record shows of i'mport's object has lost nothing that was seen."""
    newest = seen(**ALL_AT_ONCE)
    record = looked((T0 + 99, newest), (T0 + 99, seen(**older)))
    assert record.snapshot == newest
    assert record.sequence == 3


def test_a_newer_answer_replaces_an_older_one() -> None:
    """Also if only fields without facts have changed, and if the status is an unknown one."""
    for newer in (PAID | {"name": "renamed"}, PAID | {"status": "reviewing"}):
        record = looked((T0, seen(**PAID)), (T0, seen(**newer)))
        assert record.snapshot is not None
        assert record.snapshot.raw == seen(**newer).raw


def test_an_account_is_looked_at_when_its_deadline_and_grace_are_over() -> None:
    """No webhook announces an expiry."""
    play = Play().issue(deadline=T0 + 1000).later(100).look()
    assert play.next_refresh == 1000 + OPEN_POLICY.expiry_grace - 100
    assert play.later(1500).look().types[-1] == "payment.virtual_account_expired"
    assert play.next_refresh is None


@pytest.mark.parametrize(
    "shown",
    [
        {"vbank_date": 0},
        {"status": "reviewing", "vbank_date": T0 - 5000},
        {"vbank_date": T0 - 5000, "deposit_history": [{"pg_tid": "d1", "amount": 5, "deposited_at": T0}]},
        {"status": "failed", "failed_at": T0, "vbank_date": T0 + 1000},
        PAID | {"vbank_date": T0 + 1000},
    ],
)
def test_an_account_that_cannot_expire_is_not_looked_at_again(shown: dict[str, Any]) -> None:
    """No deadline, one that has passed with nothing to tell, or a payment that has gone on."""
    assert Play(**ACCOUNT | shown).look().next_refresh is None


def test_a_pending_cancellation_is_looked_at_by_schedule() -> None:
    """The schedule starts when it is opened, the last wait repeats, and it ends with the request."""
    play = Play().pay().note(300)
    waits = [play.next_refresh]
    for _ in range(6):
        waits.append(play.later(int(waits[-1] or 0)).look().next_refresh)
    assert waits == [60, 300, 900, 3600, 21600, 21600, 21600]
    assert play.note(200, "r2").next_refresh == 60
    assert play.take_back(1004).look().next_refresh is None


def test_looks_that_others_ask_for_use_up_no_turn_of_the_schedule() -> None:
    """Anybody who knows an imp_uid may cause a refresh at any time; that delays no planned one."""
    play = Play().pay().note(300)
    assert [play.look().next_refresh, play.later(20).look().next_refresh, play.look().next_refresh] == [60, 40, 40]
    assert play.later(40).look().next_refresh == 300


def test_the_earliest_reason_wins() -> None:
    """An intent whose process may never report back goes before a pending one."""
    play = Play().pay().note(300).later(60).look().intend(200, "r2").later(20)
    assert play.look().next_refresh == 40
    assert play.later(30).look().next_refresh == 10


def test_a_claim_that_waits_for_nothing_is_not_looked_at_every_second() -> None:
    """While another request is open, a reported cancellation opens nothing and plans no refresh."""
    play = Play().pay().note(300).look("c1").later(9).look("c1")
    assert play.next_refresh == OPEN_POLICY.pending_schedule[0] - 9


def test_a_removed_payment_is_not_announced_again() -> None:
    """Facts that history gave back are known; later ones are announced, after its last sequence."""
    before = looked((T0, seen(**PAID)))
    change = decide(before, seen(**ALL_AT_ONCE), T0 + 40 * DAY, OPEN_POLICY)
    assert [(event.type, event.sequence) for event in change.events] == [
        ("payment.partially_cancelled", 2),
        ("payment.cancelled", 3),
    ]
    assert wire.loads(change.events[0].body)["data"]["previous_status"] == "paid"


class _Walked(tuple[Any, ...]):
    """Rows that count how often they are all iterated."""

    __slots__ = ()
    walks = 0

    def __iter__(self) -> Iterator[Any]:
        _Walked.walks += 1
        return super().__iter__()


def _walks(rows: int) -> int:
    history = [deposit(500, T0 + place, f"d{place}") for place in range(rows)]
    back = [entry(1, T0 + place, f"c{place}") for place in range(rows)]
    shown = seen(**PAID, amount=0, deposit_history=history, cancel_amount=rows, cancel_history=back)
    _Walked.walks = 0
    change = decide(Record("default", IMP_UID), replace(shown, deposits=_Walked(shown.deposits)), T0 + 99, OPEN_POLICY)
    assert len(change.events) == 2 * rows
    return _Walked.walks


def test_a_look_walks_through_the_history_equally_often_however_long_it_is() -> None:
    """Thousands of deposits and cancellations of one payment cost as many steps, not their square."""
    assert _walks(5) == _walks(40)


def test_events_of_one_look_share_the_object_that_it_found() -> None:
    """Each body has it, no event keeps a copy of its own; without it the body is the thin one."""
    change = decide(Record("default", IMP_UID), seen(**ALL_AT_ONCE), T0 + 99, OPEN_POLICY)
    assert change.record.snapshot is not None
    for event in change.events:
        assert event.callback.payment is change.record.snapshot.raw
        assert event.body.endswith(b',"payment":' + change.record.snapshot.raw + b"}}")
        assert event.callback.thin == thin(event.body)
        assert CallbackBody(event.body).thin == thin(event.body)
