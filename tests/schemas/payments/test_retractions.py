"""Retractions: confirmed by two look-ups a minute apart, never announced, shown to operators."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import wire
from schemas.errors import Conflict
from schemas.payments.decide import left_to_cancel
from schemas.payments.events import event_id
from tests.support.payments import ACCOUNT, IMP_UID, T0, deposit, entry
from tests.support.play import Play


def ids(*keys: str) -> tuple[str, ...]:
    """The ids of the events of these facts."""
    return tuple(event_id("default", IMP_UID, key) for key in keys)


def nothing_cancelled(play: Play, **fields: Any) -> Play:
    """i'mport shows no cancellation any more."""
    return play.show(cancel_amount=0, cancel_history=[], cancelled_at=0, status="paid", **fields)


def cancelled(amount: int = 1004) -> Play:
    """A payment of 1004, of which this much was cancelled and announced."""
    return Play().pay().take_back(amount, "c1").look()


def taken_back(amount: int = 1004) -> Play:
    """The same, and i'mport has confirmed that it was taken back."""
    return nothing_cancelled(cancelled(amount)).later().look().later(61).look()


def test_two_looks_a_minute_apart_are_believed() -> None:
    """The second is asked for by the first; then the object is i'mport's, and the event is named."""
    play = nothing_cancelled(cancelled()).later().look()
    assert play.record.snapshot is not None
    assert (int(play.record.snapshot.cancel_amount), play.record.contradicts, play.next_refresh) == (1004, (), 61.0)
    play.later(61).look()
    assert play.record.snapshot == play.shown
    assert play.record.contradicts == ids("cancelled:c1")
    assert play.next_refresh is None


def test_nothing_is_announced_back() -> None:
    """The facts stay, and with them status and sums."""
    play = taken_back()
    assert play.types == ["payment.paid", "payment.cancelled"]
    assert (play.record.status, play.record.sequence) == ("cancelled", 2)
    assert "cancelled:c1" in play.record.facts


@pytest.mark.parametrize("seconds", [0, 1, 30, 60])
def test_old_answers_within_a_minute_replace_nothing(seconds: int) -> None:
    """Races and caches: however many of them come."""
    play = nothing_cancelled(cancelled()).later().look().look().later(seconds).look()
    assert play.record.snapshot is not None
    assert (int(play.record.snapshot.cancel_amount), play.record.contradicts) == (1004, ())
    assert play.next_refresh == max(61 - seconds, 1)


def test_two_looks_that_show_other_things_do_not_agree() -> None:
    """The minute begins anew with what the later one shows."""
    play = Play().pay().take_back(300, "c1").take_back(200, "c2").look()
    play.show(cancel_amount=300, cancel_history=[entry(300, T0, "c1")]).later().look()
    nothing_cancelled(play).later(61).look()
    assert (play.record.contradicts, play.next_refresh) == ((), 61)
    assert play.later(61).look().record.contradicts == ids("cancelled:c1", "cancelled:c2")


def test_a_look_that_shows_it_again_in_between_settles_it() -> None:
    """No further look is needed, and a later one that shows less begins anew."""
    play = nothing_cancelled(cancelled()).later().look()
    play.show(cancel_amount=1004, cancel_history=[entry(1004, T0 + 120, "c1")], status="cancelled").later(10).look()
    assert (play.next_refresh, play.record.possible_retraction) == (None, None)
    nothing_cancelled(play).later(61).look()
    assert (play.next_refresh, play.record.contradicts) == (61, ())


def test_what_is_shown_again_later_is_contradicted_no_more() -> None:
    """At the first look-up that shows it: nothing new is announced."""
    play = taken_back()
    play.show(cancel_amount=1004, cancel_history=[entry(1004, T0 + 120, "c1")], status="cancelled").later().look()
    assert (play.record.contradicts, play.types) == ((), ["payment.paid", "payment.cancelled"])


def test_only_what_is_gone_is_named() -> None:
    """Of two cancellations the one that is not listed any more."""
    play = Play().pay().take_back(300, "c1").take_back(200, "c2").look()
    play.show(cancel_amount=200, cancel_history=[entry(200, T0 + 180, "c2")]).later().look().later(61).look()
    assert play.record.contradicts == ids("cancelled:c1")


@pytest.mark.parametrize("history", [True, False])
def test_a_sum_without_a_history_names_the_latest(history: bool) -> None:
    """Where entries say nothing, the last that were announced are those beyond the sum."""
    play = Play().pay().take_back(300, "c1").take_back(200, "c2").look()
    rows = play.fields["cancel_history"] if history else []
    play.show(cancel_amount=300, cancel_history=rows).later().look().later(61).look()
    assert play.record.contradicts == ids("cancelled:c2")


def test_a_deposit_that_was_taken_back() -> None:
    """Of an ordinary account the payment is `ready` again; the approval is what is gone."""
    play = Play().issue().later().show(status="paid", paid_at=T0 + 60).look()
    play.show(status="ready", paid_at=0).later().look().later(61).look()
    assert play.record.contradicts == ids("paid")
    assert (play.record.status, play.next_refresh) == ("paid", None)
    play.show(status="paid", paid_at=play.now).later().look()
    assert (play.record.contradicts, play.types[-1]) == ((), "payment.paid")


def test_a_deposit_into_a_fixed_account_that_was_taken_back() -> None:
    """The deposit that is not listed any more; the first one is what the approval announced."""
    play = Play(**ACCOUNT, amount=0).look().deposit(500, "d1").deposit(600, "d2").deposit(700, "d3").look()
    rows = play.fields["deposit_history"]
    play.show(deposit_history=[rows[0], rows[2]]).later().look().later(61).look()
    assert play.record.contradicts == ids("deposited:d2")
    play.show(deposit_history=rows[2:]).later().look().later(61).look()
    assert play.record.contradicts == ids("paid", "deposited:d2")
    play.show(deposit_history=[*rows[2:], deposit(800, play.now, "d4")]).later().look()
    assert (play.types[-1], play.record.contradicts) == ("payment.deposited", ids("paid", "deposited:d2"))


def test_an_event_shows_the_object_that_was_fetched() -> None:
    """A look that shows less in one place and news in another: its event shows it as it is, also before i'mport is
    believed to have taken something back."""
    play = Play(**ACCOUNT, amount=0).look().deposit(500, "d1").deposit(600, "d2").look()
    rows = play.fields["deposit_history"]
    play.show(deposit_history=rows[:1]).take_back(100, "c1", status="paid").look()
    assert play.types[-1] == "payment.partially_cancelled"
    assert play.bodies[-1]["data"]["payment"] == wire.loads(play.shown.raw)
    assert play.record.snapshot is not None
    assert len(play.record.snapshot.deposits) == 2


def test_a_void_that_was_taken_back() -> None:
    """A cancellation in which no money moved is borne out by the status alone."""
    play = Play().issue().show(status="cancelled", cancelled_at=T0 + 9).later().look()
    play.show(status="ready", cancelled_at=0).later().look().later(61).look()
    assert play.record.contradicts == ids("cancelled:void")


@pytest.mark.parametrize(
    "shown", [{"status": "cancelled", "paid_at": 0}, {"status": "reviewing", "paid_at": 0}, {"paid_at": 0}]
)
def test_what_says_nothing_contradicts_nothing(shown: dict[str, Any]) -> None:
    """`paid_at` is documented as 0 unless paid, and an unknown status as one that says nothing new."""
    play = cancelled(0).show(**shown).later().look().later(61).look()
    assert play.record.contradicts == ()


def test_what_is_left_is_what_imports_object_says() -> None:
    """What was taken back can be cancelled again, once i'mport is believed; before that nothing is left."""
    play = nothing_cancelled(cancelled()).later().look()
    assert left_to_cancel(play.record) == 0
    with pytest.raises(Conflict):
        play.intend(1004)
    play.later(61).look()
    assert left_to_cancel(play.record) == 1004
    play.intend(1000)
    assert left_to_cancel(play.record) == 4
    assert left_to_cancel(play.record, minus_requests=False) == 1004


def test_a_cancellation_requested_again_is_announced() -> None:
    """With the id of its own entry; no more is announced than went back, and the event is borne out again."""
    play = taken_back().later().ask(1004, "r2").take_back(1004, "c2").look()
    assert play.types == ["payment.paid", "payment.cancelled", "payment.cancelled"]
    assert play.details[-1]["cancellation"]["id"] == "c2"
    assert play.details[-1]["cancellation"]["request"] == "r2"
    assert play.details[-1]["cancellation"]["amount"] == 1004
    assert play.bodies[-1]["data"]["cancelled_amount"] == 1004
    assert [(row.id, row.state) for row in play.record.requests] == [("r2", "confirmed")]
    assert (play.record.status, play.record.contradicts, play.next_refresh) == ("cancelled", (), None)


def test_a_part_requested_again_is_announced() -> None:
    """The rest of what was announced is still not borne out."""
    play = taken_back().later().ask(300, "r2").later().look()
    assert (play.record.status, play.types[-1]) == ("cancellation_pending", "payment.cancellation_pending")
    play.take_back(300, "c2").look()
    assert (play.types[-1], play.record.status) == ("payment.partially_cancelled", "cancelled")
    assert play.bodies[-1]["data"]["cancelled_amount"] == 1004
    assert play.record.contradicts == ids("cancelled:c1")
    assert left_to_cancel(play.record) == 704


@pytest.mark.parametrize("listed", [True, False])
def test_a_sum_that_comes_before_its_entry_answers_the_request(listed: bool) -> None:
    """Whether `cancel_history` shows it at once, later or never: the request is closed once."""
    play = taken_back().later().ask(1004, "r2").take_back(1004, "c2")
    rows = play.fields["cancel_history"]
    play.show(cancel_history=[]).look()
    assert [(row.id, row.state) for row in play.record.requests] == [("r2", "confirmed")]
    play.show(cancel_history=rows if listed else []).later().look()
    assert play.types == ["payment.paid", "payment.cancelled", "payment.cancelled"]
    assert (play.record.contradicts, play.next_refresh) == ((), None)


def test_a_repeated_cancellation_without_a_request_is_not_announced() -> None:
    """Subscribers already know that it is cancelled."""
    play = taken_back().take_back(1004, "c2").look()
    assert (play.types, play.record.contradicts) == (["payment.paid", "payment.cancelled"], ())
    again = taken_back(300).take_back(500, "c2").look()
    assert again.types == ["payment.paid", "payment.partially_cancelled", "payment.partially_cancelled"]
    assert again.bodies[-1]["data"]["cancelled_amount"] == 500


def test_what_comes_back_by_itself_answers_no_other_request() -> None:
    """The old entry is shown again while another cancellation waits: that one still waits, unless nothing is left."""
    play = taken_back(300).later().ask(300, "r2").later().look()
    play.show(cancel_amount=300, cancel_history=[entry(300, T0 + 120, "c1")]).later().look()
    assert [(row.id, row.state) for row in play.record.requests] == [("r2", "open")]
    play.take_back(300, "c2").look()
    assert [(row.id, row.state) for row in play.record.requests] == [("r2", "confirmed")]
    assert play.bodies[-1]["data"]["cancelled_amount"] == 600
    whole = taken_back().later().ask(1004, "r2").later().look()
    whole.show(cancel_amount=1004, cancel_history=[entry(1004, T0 + 120, "c1")], status="cancelled").later().look()
    assert [(row.id, row.state) for row in whole.record.requests] == [("r2", "confirmed")]
    assert whole.statuses()[-1] == whole.record.status == "cancelled"


def test_it_can_be_taken_back_twice() -> None:
    """Each contradicted event is named; a third cancellation is announced as the second was."""
    play = taken_back().later().ask(1004, "r2").take_back(1004, "c2").look()
    nothing_cancelled(play).later().look().later(61).look()
    assert play.record.contradicts == ids("cancelled:c1", "cancelled:c2")
    play.later().ask(1004, "r3").take_back(1004, "c3").look()
    assert (play.details[-1]["cancellation"]["id"], play.record.contradicts) == ("c3", ())


def test_a_claim_of_a_cancellation_that_was_taken_back_opens_one() -> None:
    """A webhook that speaks of another cancellation, which looks do not find, as of any payment with something left."""
    play = taken_back().later().look("c9").later(3).look("c9")
    assert play.types[-1] == "payment.cancellation_pending"
    play.later().take_back(1004, "c9").look()
    assert (play.types[-1], play.record.status) == ("payment.cancelled", "cancelled")
