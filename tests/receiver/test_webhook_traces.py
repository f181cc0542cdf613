"""Webhooks that are traced: where their spans hang, and what is stored of them."""

from __future__ import annotations

import random
from typing import Any

import pytest

from receiver.acceptor import Acceptor
from receiver.known_merchants import KnownMerchants
from receiver.limiter import RateLimiter
from receiver.metrics import ReceiverMetrics
from receiver.no_spool import NoSpool
from receiver.source_address import SourceAddresses
from receiver.webhook_log import WebhookLog
from receiver.webhooks import WebhookHandler
from runtime.tracing import Tracer
from tests.support.receiver_parts import ListedLedger, away
from tests.support.traces import ListedTracer, traceparent

CALLER = traceparent(99)
I_MPORT, UNVERIFIED = "52.78.100.19", "203.0.113.7"


async def post(ledger: ListedLedger, tracer: Tracer | None, source: str = I_MPORT, *path: bytes) -> int:
    """The status of the answer to a webhook with a `traceparent`, from this address."""
    metrics, merchants = ReceiverMetrics(), KnownMerchants()
    acceptor = Acceptor(ledger, ledger.durability, NoSpool(), metrics, merchants)
    sources, limiter = SourceAddresses((), ()), RateLimiter(rate=1, burst=1)
    handler = WebhookHandler(acceptor, sources, limiter, merchants, metrics, WebhookLog(), random.Random(1), tracer)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b'{"imp_uid": "imp_1"}', "more_body": False}

    headers = [(b"content-type", b"application/json"), (b"traceparent", CALLER.encode())]
    answer = await handler({"headers": headers, "client": (source, 1)}, receive, list(path))
    assert answer is not None
    return answer.status


async def test_a_callers_trace_goes_on(ledger: ListedLedger) -> None:
    """The request's span continues the caller's, and what is stored continues the span of storing."""
    tracer = ListedTracer()
    assert await post(ledger, tracer) == 200
    webhook, accept = tracer.spans
    assert [("webhook", CALLER), ("accept", webhook.traceparent)] == [(one.name, one.parent) for one in tracer.spans]
    assert [accept.traceparent] == [one.traceparent for one in ledger.taken]
    assert (webhook.error, accept.error, accept.attributes["place"]) == ("", "", "redis")


@pytest.mark.parametrize(("path", "parent"), [((), ""), ((b"default", b"token"), CALLER)])
async def test_an_unverified_source_does_not_decide_what_is_traced(path: tuple[bytes, ...], parent: str) -> None:
    """Anybody could have every webhook sampled: the trace of a source that is neither i'mport's nor knows the webhook
    token begins here."""
    tracer = ListedTracer()
    hashed = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"
    assert await post(ListedLedger({"default": hashed if path else None}), tracer, UNVERIFIED, *path) == 200
    assert tracer.spans[0].parent == parent


async def test_what_is_not_sampled_is_stored_as_without_a_tracer(ledger: ListedLedger) -> None:
    """Neither leaves a `traceparent` with the notification."""
    assert await post(ledger, ListedTracer(samples=False)) == 200
    other = ListedLedger()
    assert await post(other, None) == 200
    assert [one.traceparent for one in (*ledger.taken, *other.taken)] == ["", ""]


async def test_a_webhook_that_is_stored_nowhere_ends_in_error(ledger: ListedLedger) -> None:
    """Both spans end, and say so."""
    ledger.failure, tracer = away(), ListedTracer()
    assert await post(ledger, tracer) == 503
    assert [one.error for one in tracer.spans] == ["not stored"] * 2
    assert tracer.spans[0].attributes["status_code"] == 503


@pytest.fixture
def ledger() -> ListedLedger:
    """A ledger that knows one merchant."""
    return ListedLedger()
