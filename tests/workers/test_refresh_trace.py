"""The spans of a look-up for many payments, and of their commits."""

from __future__ import annotations

from typing import Any

from ledger.keys import Lane
from ledger.leases import Lease
from ledger.refresh_lane import ClaimedPayment, ClaimedPayments
from schemas.outbox.entries import Notification
from schemas.payments.decide import Record
from tests.support.traces import ListedTracer, traceparent
from workers.refresh_trace import begin_commit, begin_look_up


def payment(number: int, traceparent: str = "", *, asked: bool = True) -> ClaimedPayment:
    """A claimed payment; `asked` by a webhook."""
    imp_uid = f"imp_{number}"
    lease = Lease(Lane("refresh", "default"), imp_uid, 1)
    waiting = (Notification(f"ntf_{number}", "default", imp_uid),) if asked else ()
    return ClaimedPayment(lease, Record("default", imp_uid), 0, silent=False, waiting=waiting, traceparent=traceparent)


def look_up(tracer: Any, *payments: ClaimedPayment) -> tuple[Any, list[str]]:
    """The span of a look-up of these payments, and what each one's commit continues."""
    span, claimed = begin_look_up(tracer, "default", ClaimedPayments(0, 0, payments))
    return span, [one.traceparent for one in claimed.payments]


def test_one_look_up_of_many_payments_is_one_span() -> None:
    """It goes on with the first trace and links the others, which go on with their own."""
    tracer = ListedTracer()
    span, after = look_up(tracer, payment(1), payment(2, traceparent(102)), payment(3, traceparent(103)))
    assert [span] == tracer.spans
    assert (span.parent, span.links) == (traceparent(102), (traceparent(103),))
    assert after == ["", span.traceparent, traceparent(103)]


def test_a_look_up_that_no_webhook_asked_for_begins_a_trace() -> None:
    """A deadline, an operator or a reconciliation asked for it; all its commits go on with it."""
    span, after = look_up(ListedTracer(), payment(1, asked=False), payment(2, asked=False))
    assert span.parent == ""
    assert after == [span.traceparent] * 2


def test_webhooks_that_were_left_out_stay_left_out() -> None:
    """The sampler has decided when they came: it is not asked again."""
    tracer = ListedTracer()
    assert look_up(tracer, payment(1), payment(2, asked=False)) == (None, ["", ""])
    assert begin_commit(tracer, payment(1), events=1) is None
    assert tracer.spans == []


def test_without_a_tracer_a_trace_is_not_continued() -> None:
    """A worker that does not trace leaves the trace of a receiver that does."""
    assert look_up(None, payment(1, traceparent(1))) == (None, [traceparent(1)])
    assert begin_commit(None, payment(1, traceparent(1)), events=1) is None


def test_a_commit_says_what_it_writes() -> None:
    """The payment, and how many events."""
    span = begin_commit(ListedTracer(), payment(1, traceparent(5)), events=2)
    assert span is not None
    assert ("commit", traceparent(5)) == (span.name, span.parent)  # type: ignore[attr-defined]
    assert span.attributes == {"merchant": "default", "imp_uid": "imp_1", "events": 2}  # type: ignore[attr-defined]
