"""Spans of attempts. Each attempt, the tenth as well as the first, continues the trace of its event's commit."""

from __future__ import annotations

from ledger.delivery_lane import ClaimedDelivery
from runtime.tracing import Span, Tracer
from schemas.endpoints.delivery import AttemptResult
from schemas.endpoints.endpoint import Endpoint
from schemas.reasons import english


def begin_attempt(tracer: Tracer | None, delivery: ClaimedDelivery, endpoint: Endpoint) -> Span | None:
    """The span of an attempt; None if its event is not traced."""
    if tracer is None or not delivery.traceparent:
        return None
    return tracer.begin(
        "attempt", "client", delivery.traceparent, merchant=endpoint.merchant, imp_uid=delivery.imp_uid,
        event=delivery.event, delivery=delivery.id, type=delivery.type, replay=delivery.replay,
    )  # fmt: skip


def end_attempt(span: Span, answer: AttemptResult) -> None:
    """End the span with the endpoint's answer."""
    error = f"HTTP {answer.status_code}" if answer.error is None else english(answer.error)
    span.end("" if answer.ok else error, status_code=answer.status_code)
