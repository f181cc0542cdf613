"""Requests for cancellation: which entry answers which, what opens one and what closes it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from schemas.errors import Conflict, NotFound
from schemas.payments import cancel_steps
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import left_to_cancel
from tests.support.payments import ACCOUNT, T0, entry
from tests.support.play import DAY, Play


def _states(play: Play) -> dict[str, str]:
    return {request.id: request.state for request in play.record.requests}


def test_an_entry_settles_the_request_with_its_id() -> None:
    """Before one of the same amount that is older."""
    play = Play().pay().note(300, "r1").note(300, "c1").take_back(300, "c1").look()
    assert _states(play) == {"r1": "open", "c1": "confirmed"}
    assert play.record.status == "cancellation_pending"


def test_else_the_oldest_of_its_amount() -> None:
    """However the amount was written."""
    play = (
        Play().pay().note(200, "r0").note(300, "r1").later().note(300, "r2").take_back(Decimal("300.00"), "c1").look()
    )
    assert _states(play) == {"r0": "open", "r1": "confirmed", "r2": "open"}


@pytest.mark.parametrize(("seconds", "state"), [(59, "confirmed"), (60, "confirmed"), (61, "open")])
def test_a_request_is_not_answered_by_what_was_before_it(seconds: int, state: str) -> None:
    """An entry that is older than the request by more than a minute is another's."""
    play = Play().pay().take_back(300).later(seconds).note(300, "r1").look()
    assert _states(play) == {"r1": state}


def test_else_one_that_what_is_left_cannot_cover() -> None:
    """After 700 of 1004 a request for 500 cannot be met any more; one for 300 can."""
    play = Play().pay().note(300, "r1").note(500, "r2").take_back(700, "c1").look()
    assert _states(play) == {"r1": "open", "r2": "confirmed"}


def test_another_amount_settles_nothing() -> None:
    """A partial cancellation that was requested elsewhere leaves the request open."""
    play = Play().pay().note(300, "r1").take_back(200, "c1").look()
    assert _states(play) == {"r1": "open"}
    assert play.types[-1] == "payment.partially_cancelled"
    assert play.statuses()[-1] == "cancellation_pending"


def test_nothing_left_settles_all() -> None:
    """The event names the request of its amount."""
    play = Play().pay().note(300, "r1").note(704, "r2").take_back(1004, "c1").look()
    assert _states(play) == {"r1": "confirmed", "r2": "confirmed"}
    assert play.record.status == "cancelled"
    assert play.details[-1]["cancellation"]["request"] == "r1"


def test_several_parts_found_at_once_settle_each_their_own() -> None:
    """The status is pending until the last is there."""
    play = Play().pay().note(300, "r1").note(200, "r2").take_back(200, "c2").take_back(300, "c1").look()
    assert [detail["cancellation"]["request"] for detail in play.details[-2:]] == ["r2", "r1"]
    assert play.statuses()[-2:] == ["cancellation_pending", "partially_cancelled"]


def test_a_cancellations_detail_has_what_is_documented() -> None:
    """Entry and request together; numbers as they came, times in RFC 3339."""
    play = Play().pay().note(Decimal("1004.00"), "r1").take_back(1004, "c1").look()
    assert play.details[1]["cancellation"] == {
        "id": "r1",
        "request": "r1",
        "amount": Decimal("1004.00"),
        "reason": "changed my mind",
        "requested_at": "2023-11-14T22:14:20Z",
        "cancelled_at": None,
        "receipt_url": None,
    }
    assert play.details[2]["cancellation"] == {
        "id": "c1",
        "request": "r1",
        "amount": 1004,
        "reason": "changed my mind",
        "requested_at": "2023-11-14T22:14:20Z",
        "cancelled_at": "2023-11-14T22:15:20Z",
        "receipt_url": None,
    }


def test_unknown_details_are_null_and_the_requests_id_stands_in() -> None:
    """`id` is i'mport's once there is one, before that the request's."""
    play = Play().pay().note(1004, "r1").take_back(1004, None).look()
    assert play.details[-1]["cancellation"]["id"] == "r1"
    alone = Play().pay().take_back(1004, None, cancel_history=[]).look().details[-1]["cancellation"]
    assert (alone["id"], alone["request"], alone["requested_at"]) == (None, None, None)


def test_a_request_that_is_being_sent_is_not_announced() -> None:
    """No event and no status until its sender came back, or 60 s have passed."""
    play = Play().pay().intend(1004).later(59).look()
    assert play.types == ["payment.paid"]
    assert play.record.status == "paid"
    assert play.next_refresh == 1
    assert play.later(1).look().types[-1] == "payment.cancellation_pending"


def test_one_that_was_done_at_once_was_never_pending() -> None:
    """The look-up after a cancellation shows its entry."""
    play = Play().pay().intend(300).take_back(300).look()
    assert play.types == ["payment.paid", "payment.partially_cancelled"]
    assert play.details[-1]["cancellation"]["request"] == "r1"


def test_open_requests_take_from_what_is_left() -> None:
    """What is left is what neither cancellations nor open requests have taken."""
    play = Play().pay().take_back(300).look().note(200, "r1")
    assert left_to_cancel(play.record) == 504
    assert left_to_cancel(play.record, minus_requests=False) == 704
    assert left_to_cancel(play.reject("r1").record) == 704


def test_a_discount_is_not_left_once_all_is_cancelled() -> None:
    """`cancel_amount` may leave it out."""
    play = Play(amount=10000, promotion={"id": "p", "discount": 1000}).pay()
    assert left_to_cancel(play.record) == 10000
    assert left_to_cancel(play.take_back(9000, status="cancelled").look().record) == 0


def test_an_operator_closes_what_is_open_and_nothing_else() -> None:
    """Then the status is what the facts say, and the reason is the operator's."""
    play = Play().pay().note(300, "r1").reject("r1", "ticket turned down")
    assert (play.types[-1], play.statuses()[-1]) == ("payment.cancellation_rejected", "paid")
    assert play.details[-1]["cancellation"]["reason"] == "ticket turned down"
    with pytest.raises(Conflict):
        play.reject("r1")
    with pytest.raises(NotFound):
        play.reject("r2")
    with pytest.raises(Conflict):
        play.intend(300, "r3").reject("r3")


def test_a_cancellation_after_a_rejection_is_still_announced() -> None:
    """The gateway changed its mind: the entry is a cancellation like any other."""
    play = Play().pay().note(1004, "r1").reject("r1").take_back(1004).look()
    assert play.types[-1] == "payment.cancelled"
    assert _states(play) == {"r1": "rejected"}


def test_a_claim_needs_two_looks_apart() -> None:
    """Two at once are one; then it is open, without an amount, since the first."""
    play = Play().pay().look("c1")
    assert play.next_refresh == 3
    assert play.look("c1").later(2).look().types == ["payment.paid"]
    play.later(1).look()
    assert play.types[-1] == "payment.cancellation_pending"
    assert play.record.requests == (CancellationRequest("c1", None, "open", "webhook", T0 + 60),)
    assert play.record.reported_cancellations == {}


@pytest.mark.parametrize(
    "shown",
    [
        {"status": "ready", "paid_at": 0, **ACCOUNT},
        {"status": "failed", "paid_at": 0, "failed_at": T0},
        {"status": "cancelled", "cancel_amount": 1004, "cancel_history": [entry(1004, T0, "c2")]},
        {"cancel_amount": 300, "cancel_history": [entry(300, T0, "c1")]},
        {"status": "cancelled", "cancel_amount": 904, "promotion": {"discount": 100}},
        {"status": "cancelled", "paid_at": 0},
    ],
)
def test_a_claim_that_cannot_be_opens_nothing(shown: dict[str, Any]) -> None:
    """Nothing was paid, nothing is left, or the history has it: only looks."""
    play = Play(status="paid", paid_at=T0).look("c1", **shown).later(9).look("c1", **shown).later(9).look(**shown)
    assert "payment.cancellation_pending" not in play.types
    assert play.record.reported_cancellations == {}
    assert play.next_refresh is None or play.next_refresh > 9


def test_one_claim_a_payment() -> None:
    """While a request is open, another reported cancellation changes nothing, also later."""
    play = Play().pay().look("c1", "c2").later(3).look("c3").later(3).look("c2", "c3")
    assert _states(play) == {"c1": "open"}
    assert play.reject("c1").later(3).look().types[-1] == "payment.cancellation_rejected"
    asked = Play().pay().note(300, "r1").look("c1").later(9).look("c1").reject("r1").later(9).look()
    assert _states(asked) == {"r1": "rejected"}


def test_a_claim_that_was_turned_down_is_not_opened_again() -> None:
    """A repeated webhook does not undo what an operator decided."""
    play = Play().pay().look("c1").later(3).look().reject("c1").look("c1").later(9).look("c1")
    assert play.record.status == "paid"


def test_an_unconfirmed_claim_ends_after_two_weeks() -> None:
    """Rejected as `unconfirmed` by a planned refresh; a request of the merchant's stays open."""
    play = Play().pay().look("c1").later(3).look().note(300, "r1")
    assert play.later(14 * DAY - 4).look().types[-1] == "payment.cancellation_pending"
    play.later(1).look()
    assert play.details[-1]["cancellation"]["reason"] == "unconfirmed"
    assert _states(play) == {"c1": "rejected", "r1": "open"}


def test_a_claim_is_settled_by_its_entry_and_by_no_other() -> None:
    """Another id's entry is another cancellation; one without an id can be this one."""
    other = Play().pay().look("c1").later(3).look().take_back(300, "c2").look()
    assert _states(other) == {"c1": "open"}
    nameless = Play().pay().look("c1").later(3).look().take_back(300, None, "t1").look()
    assert _states(nameless) == {"c1": "confirmed"}


def test_one_at_a_time_is_sent_and_no_more_than_is_left() -> None:
    """A refusal leaves no trace, and then the next may be sent."""
    play = Play().pay().intend(300, "r1")
    with pytest.raises(Conflict, match="being sent"):
        play.intend(300, "r2")
    record = cancel_steps.withdraw(play.record, "r1", play.now, play.policy).record
    assert (record.requests, list(record.facts)) == ((), ["paid"])
    for amount in (1005, None):
        request = CancellationRequest("r2", None if amount is None else Decimal(amount), "sending", "api", play.now)
        with pytest.raises(Conflict, match="1004 is left"):
            cancel_steps.intend(record, request, play.now, play.policy)


def test_an_unclear_answer_leaves_it_open() -> None:
    """It may have happened: it waits for its result like any other, and is announced once."""
    play = Play().pay().intend(300)
    change = cancel_steps.leave_open(play.record, "r1", play.now, play.policy)
    assert [event.type for event in change.events] == ["payment.cancellation_pending"]
    assert cancel_steps.leave_open(change.record, "r1", play.now, play.policy).events == ()


def _lump(play: Play, amount: int, **fields: Any) -> Play:
    """Only `cancel_amount` shows that money was refunded."""
    return play.take_back(amount, cancel_history=[], **fields).look()


def test_a_sum_without_entries_settles_the_requests_it_is_the_sum_of() -> None:
    """As if a look had come between the two: where the payment stands must not hang on that."""
    looked_between = _lump(_lump(Play().pay().note(300, "r1").note(200, "r2"), 300), 200)
    at_once = _lump(Play().pay().note(300, "r1").note(200, "r2"), 500)
    assert _states(looked_between) == _states(at_once) == {"r1": "confirmed", "r2": "confirmed"}
    assert at_once.record.status == looked_between.record.status == "partially_cancelled"
    assert at_once.details[-1]["cancellation"]["request"] == "r1"
    assert at_once.details[-1]["cancellation"]["amount"] == 500


def test_a_sum_may_leave_a_request_open() -> None:
    """Only those that make it up are settled."""
    play = _lump(Play().pay().note(300, "r1").note(150, "r2").note(200, "r3"), 500)
    assert _states(play) == {"r1": "confirmed", "r2": "open", "r3": "confirmed"}


@pytest.mark.parametrize(
    ("asked", "amount"),
    [
        ([100, 200, 300, 400], 500),  # 100 + 400 or 200 + 300
        ([250, 250, 250], 500),
        ([100, 200], 250),
        ([100, 200], 400),
    ],
)
def test_a_sum_that_says_nothing_for_sure_settles_nothing(asked: list[int], amount: int) -> None:
    """Several ways to make it up, or none."""
    play = Play(amount=5000).pay()
    for place, each in enumerate(asked):
        play.note(each, f"r{place}")
    assert set(_states(_lump(play, amount)).values()) == {"open"}


def test_a_request_of_its_amount_goes_before_a_sum() -> None:
    """One that asked for just that is the simpler explanation."""
    play = _lump(Play(amount=5000).pay().note(300, "r1").note(200, "r2").note(500, "r3"), 500)
    assert _states(play) == {"r1": "open", "r2": "open", "r3": "confirmed"}


def test_an_entry_is_one_cancellation() -> None:
    """What the history lists by itself is no sum of others."""
    play = Play(amount=5000).pay().note(300, "r1").note(200, "r2").take_back(500, "c1").look()
    assert _states(play) == {"r1": "open", "r2": "open"}


def test_a_sum_that_came_before_settles_nothing() -> None:
    """A request that is younger by more than a minute is no part of it."""
    play = Play(amount=5000).pay().note(300, "r1").take_back(500, cancel_history=[]).later(61).note(200, "r2").look()
    assert _states(play) == {"r1": "open", "r2": "open"}
