"""Traces, end to end: real processes export to a collector, and a trace goes through Redis, processes and retries."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence

import pytest

from schemas import wire
from tests.support.otlp_collector import Collected, Collector
from tests.support.relay import Relay
from tests.support.relay_fixtures import StartRelay

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
LEFT_OUT = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """Where the relay's traces go."""
    async with Collector() as collector:
        yield collector


async def test_a_payments_way_is_one_trace_over_processes_and_retries(
    start_relay: StartRelay, collector: Collector
) -> None:
    """A webhook's trace goes on over look-up, commit and two attempts, the second by another worker: each step's parent
    is the one before it, each callback carries its own attempt's span, and the log lines say which trace it is."""
    relay = await start_relay(**collector.environ, RELAY_RETRY_SCHEDULE="5s,5s,5s")
    endpoint = await relay.endpoint()
    relay.subscriber.reply = lambda count: (503 if count == 1 else 200, 0)
    await _paid(relay, "imp_traced", f"00-{TRACE}-{CALLER}-01")
    await relay.until(lambda: relay.subscriber.requests, "the first attempt is made")
    first = relay.worker
    await first.terminate()
    await relay.replace_worker()

    spans = await collector.collected(TRACE, 6)

    steps = {span.name: span for span in spans}
    assert sorted(span.name for span in spans) == ["accept", "attempt", "attempt", "commit", "look-up", "webhook"]
    assert steps["webhook"].parent == CALLER
    assert steps["webhook"].id == steps["accept"].parent
    assert steps["accept"].id == steps["look-up"].parent
    assert steps["look-up"].id == steps["commit"].parent
    attempts = [span for span in spans if span.name == "attempt"]
    assert [steps["commit"].id] * 2 == [span.parent for span in attempts]
    assert [(one.failed, one.attributes["relay.status_code"]) for one in attempts] == [(True, 503), (False, 200)]
    assert {"iamport-relay-receiver", "iamport-relay-worker"} == {span.service for span in spans}
    assert [one.traceparent for one in attempts] == [
        _sent_with(request.headers) for request in relay.subscriber.requests
    ]
    relay.subscriber.verify(endpoint["secret"])
    assert _about(spans) == {"imp_traced"}

    event = relay.subscriber.events[0]["id"]
    await relay.worker.logged("delivery_attempted", outcome="delivered")
    lines = [*relay.receiver.logs(), *first.logs(), *relay.worker.logs()]
    of_trace = [line for line in lines if line.get("trace_id") == TRACE]
    delivery = f"{event}.{endpoint['id']}"
    assert [(line["event"], line.get("event_id"), line.get("delivery")) for line in of_trace] == [
        ("webhook_accepted", None, None),
        ("event_recorded", event, None),
        ("payment_looked_up", None, None),
        ("delivery_attempted", event, delivery),
        ("delivery_attempted", event, delivery),
    ]
    assert {("default", "imp_traced")} == {(line["merchant"], line["imp_uid"]) for line in of_trace}


async def test_what_the_sampler_leaves_out_leaves_no_mark(start_relay: StartRelay, collector: Collector) -> None:
    """A webhook whose caller does not sample, as one of a relay that does not trace, has no spans, no `traceparent` at
    its subscriber and no `trace_id` in the log; nothing of a trace is in a callback's body."""
    relay = await start_relay(**collector.environ)
    await relay.endpoint()

    await _paid(relay, "imp_left_out", f"00-{LEFT_OUT}-{CALLER}-00")
    await relay.until_received("paid", imp_uid="imp_left_out")
    await _paid(relay, "imp_traced", f"00-{TRACE}-{CALLER}-01")
    await relay.until_received("paid", imp_uid="imp_traced")
    await collector.collected(TRACE, 5)

    left_out, traced = relay.subscriber.requests
    assert "traceparent" not in left_out.headers
    assert "traceparent" in traced.headers
    assert wire.loads(left_out.body).keys() == wire.loads(traced.body).keys()
    assert TRACE.encode() not in traced.body
    assert collector.of_trace(LEFT_OUT) == []
    assert {TRACE} == {line["trace_id"] for line in _lines(relay) if "trace_id" in line}
    assert len([line for line in _lines(relay) if line.get("imp_uid") == "imp_left_out"]) + 1 == 5


def _lines(relay: Relay) -> list[dict[str, object]]:
    return [*relay.receiver.logs(), *relay.worker.logs()]


async def _paid(relay: Relay, imp_uid: str, traceparent: str) -> None:
    await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()), amount=1004)
    body = {"imp_uid": imp_uid, "merchant_uid": "order", "status": "paid"}
    answer = await relay.intake.post("/webhooks", json=body, headers={"traceparent": traceparent})
    assert answer.status_code == 200


def _sent_with(headers: dict[str, str]) -> str:
    """A callback's `traceparent` without its flags."""
    sent, _, flags = headers["traceparent"].rpartition("-")
    assert int(flags, 16) & 1
    return sent


def _about(spans: Sequence[Collected]) -> set[str]:
    return {span.attributes["relay.imp_uid"] for span in spans if "relay.imp_uid" in span.attributes}
