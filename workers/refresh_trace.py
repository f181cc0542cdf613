"""Spans of refreshes. A look-up is one request for many payments, so it is one span: it continues the trace of the
first payment that is traced, and is linked with those of the others. Each payment's commit continues its own trace."""

from __future__ import annotations

from dataclasses import replace

from ledger.refresh_lane import ClaimedPayment, ClaimedPayments
from runtime.tracing import Span, Tracer


def begin_look_up(
    tracer: Tracer | None, merchant: str, claimed: ClaimedPayments
) -> tuple[Span | None, ClaimedPayments]:
    """The span of a look-up, None if it is not traced; and the payments, each with the `traceparent` that its commit
    continues. A look-up that no webhook asked for begins a trace of its own."""
    if tracer is None:
        return None, claimed
    payments = claimed.payments
    traced = [one for one in payments if one.traceparent]
    if not traced and any(one.waiting for one in payments):
        return None, claimed  # the sampler has left them out
    parent, *links = [one.traceparent for one in traced] or [""]
    span = tracer.begin(
        "look-up", "client", parent, links=links, merchant=merchant, payments=len(payments),
        imp_uid=payments[0].record.imp_uid if len(payments) == 1 else None,
    )  # fmt: skip
    if span is None:
        return None, claimed
    inside = {id(one) for one in traced[:1] or payments}
    return span, replace(
        claimed,
        payments=tuple(replace(one, traceparent=span.traceparent) if id(one) in inside else one for one in payments),
    )


def begin_commit(tracer: Tracer | None, payment: ClaimedPayment, events: int) -> Span | None:
    """The span of a refresh's commit; None if the payment is not traced."""
    if tracer is None or not payment.traceparent:
        return None
    record = payment.record
    return tracer.begin(
        "commit", "internal", payment.traceparent, merchant=record.merchant, imp_uid=record.imp_uid, events=events
    )
