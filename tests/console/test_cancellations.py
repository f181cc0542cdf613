"""Cancelling through the operator API: what i'mport answers decides what is noted and what is said."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from schemas import wire
from tests.console.conftest import Console, meanwhile, running
from tests.support import machine
from tests.support.iamport_stub import Asked, Stub, no, well


@pytest.fixture
async def console(redis_url: str, stub: Stub) -> AsyncIterator[Console]:
    """A console whose i'mport is the stub, and one paid payment."""
    environ = {"IMP_API_URL": stub.url, "IMP_KEY": "key", "IMP_SECRET": "secret"}
    async with running(redis_url, environ) as console:
        await machine.seen(console.ledger, "imp_1", amount=1004)
        yield console


def asked_for(stub: Stub) -> list[dict[str, Any]]:
    """The bodies of the cancellations that i'mport was asked for."""
    return [wire.loads(asked.body) for asked in stub.calls if asked.path == "/payments/cancel"]


async def cancel(console: Console, body: dict[str, Any], shown: dict[str, Any] | None = None) -> httpx.Response:
    """A request to cancel; meanwhile a worker looks over and over, and i'mport shows `shown`; none does without."""
    call = console.call("POST", "/v1/payments/imp_1/cancellations", body)
    if shown is None:
        return await call
    return await meanwhile(call, lambda: machine.look_at(console.ledger, {"imp_1": shown}))


def cancelled(amount: int, of: int = 1004) -> dict[str, Any]:
    """The payment after a cancellation, as i'mport shows it."""
    entry = {"amount": amount, "cancelled_at": int(time.time()), "cancellation_id": "c1", "pg_tid": "t", "reason": "r"}
    status = "cancelled" if amount == of else "paid"
    return machine.payment("imp_1", cancel_amount=amount, cancel_history=[entry], status=status)


async def test_a_cancellation_that_is_done_at_once_is_200(console: Console, stub: Stub) -> None:
    """i'mport is asked once, with a checksum and for a webhook, and the answer shows the payment cancelled."""
    stub.reply = lambda _asked: well(cancelled(1004))
    answer = await cancel(console, {"reason": "changed my mind"}, cancelled(1004))
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    [request] = answer.json()["cancellations"]
    assert (request["state"], request["amount"], request["origin"]) == ("confirmed", 1004, "api")
    [form] = asked_for(stub)
    assert (form["imp_uid"], form["checksum"], form["enable_webhook"]) == ("imp_1", 1004, True)
    assert form["reason"] == "changed my mind"


async def test_a_part_can_be_cancelled(console: Console, stub: Stub) -> None:
    """An amount is passed on as a number, and the checksum is what is left."""
    stub.reply = lambda _asked: well(cancelled(4))
    answer = await cancel(console, {"amount": 4, "tax_free": 0}, cancelled(4))
    assert (answer.status_code, answer.json()["status"]) == (200, "partially_cancelled")
    assert answer.json()["cancelled_amount"] == 4
    [form] = asked_for(stub)
    assert (form["amount"], form["checksum"], form["tax_free"]) == (4, 1004, 0)


async def test_a_cancellation_that_takes_time_is_202(console: Console, stub: Stub) -> None:
    """While i'mport still shows the payment paid, it is pending, and an operator can close it."""
    stub.reply = lambda _asked: well(machine.payment("imp_1"))
    answer = await cancel(console, {}, machine.payment("imp_1"))
    assert (answer.status_code, answer.json()["status"]) == (202, "cancellation_pending")
    [request] = answer.json()["cancellations"]
    assert (request["state"], request["closed_at"]) == ("open", None)
    path = f"/v1/payments/imp_1/cancellations/{request['id']}/reject"
    rejected = await console.call("POST", path, {"reason": "turned down"})
    assert (rejected.status_code, rejected.json()["status"]) == (200, "paid")
    assert rejected.json()["cancellations"][0]["state"] == "rejected"
    assert rejected.json()["events"][-1]["type"] == "payment.cancellation_rejected"
    assert (await console.call("POST", path)).status_code == 409
    assert (await console.call("POST", "/v1/payments/imp_1/cancellations/can_x/reject")).status_code == 404


async def test_what_is_refused_leaves_no_trace(console: Console, stub: Stub) -> None:
    """i'mport's code and message are passed on; nothing has changed."""
    stub.reply = lambda _asked: no(200, "already cancelled", code=1)
    answer = await cancel(console, {})
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["message"]) == (1, "already cancelled")
    assert answer.json()["reason_code"] == "iamport_refused"
    payment = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert (payment["status"], payment["cancellations"], len(payment["events"])) == ("paid", [], 1)


async def test_what_could_not_be_sent_leaves_no_trace(console: Console, stub: Stub) -> None:
    """When i'mport does not listen the answer is 502, and the cancellation can be requested again."""
    await stub.stop()
    answer = await cancel(console, {})
    assert answer.status_code == 502
    assert (await console.call("GET", "/v1/payments/imp_1")).json()["cancellations"] == []


async def test_an_outcome_that_nobody_knows_stays_open(console: Console, stub: Stub) -> None:
    """A connection that breaks after the request is 504; the request waits, and is never sent again."""

    def breaks(asked: Asked) -> bytes | None:
        return None if asked.path == "/payments/cancel" else no(404)

    stub.reply = breaks
    key = {"idempotency-key": "k"}
    path = "/v1/payments/imp_1/cancellations"
    first = await console.call("POST", path, {}, headers=key)
    again = await console.call("POST", path, {}, headers=key)
    assert (first.status_code, again.status_code) == (504, 504)
    assert len(asked_for(stub)) == 1
    payment = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert (payment["status"], payment["cancellations"][0]["state"]) == ("cancellation_pending", "open")
    more = await console.call("POST", path, {})
    assert more.status_code == 409


async def test_more_than_is_left_is_refused_by_us(console: Console, stub: Stub) -> None:
    """i'mport is not even asked."""
    answer = await console.call("POST", "/v1/payments/imp_1/cancellations", {"amount": 1005})
    assert answer.status_code == 409
    assert asked_for(stub) == []


async def test_one_asked_for_elsewhere_is_only_noted(console: Console, stub: Stub) -> None:
    """The payment is pending, i'mport is not asked, and what is left is less by it."""
    body = {"amount": 1000, "record_only": True, "reason": "in the gateway's console"}
    answer = await console.call("POST", "/v1/payments/imp_1/cancellations", body)
    assert (answer.status_code, answer.json()["status"]) == (202, "cancellation_pending")
    assert [row["origin"] for row in answer.json()["cancellations"]] == ["record"]
    assert asked_for(stub) == []
    assert (await console.call("POST", "/v1/payments/imp_1/cancellations", {"amount": 5})).status_code == 409


@pytest.mark.parametrize("body", [{"amount": 0}, {"amount": "1"}, {"record_only": 1}, {"merchant_uid": "x"}])
async def test_a_cancellation_has_to_make_sense(console: Console, body: dict[str, Any]) -> None:
    """Wrong fields are 422."""
    assert (await console.call("POST", "/v1/payments/imp_1/cancellations", body)).status_code == 422


@pytest.mark.parametrize("extra", ['{"half an emoji": "\\ud83d"}', '{"a":' * 300 + "1" + "}" * 300])
async def test_what_cannot_be_written_leaves_no_trace(console: Console, stub: Stub, extra: str) -> None:
    """It is refused before anything is stored: no cancellation that was never sent is announced later."""
    answer = await console.client.post("/v1/payments/imp_1/cancellations", content=f'{{"extra":{extra}}}')
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, ["extra"])
    assert asked_for(stub) == []
    assert (await console.ledger.refresh_lane.record("default", "imp_1")).requests == ()


async def test_a_payment_that_nobody_could_look_at_is_502(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether there is such a payment was not found out: that is no 404, and nothing was sent."""
    monkeypatch.setattr("console.operations.refresh_payment.PATIENCE", 0.3)
    answer = await console.call("POST", "/v1/payments/imp_unseen/cancellations", {})
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/problem+json")
    assert "imp_unseen" in answer.json()["detail"]


async def test_an_unknown_payment_cannot_be_cancelled(console: Console) -> None:
    """404 for a payment of another merchant."""
    path = "/v1/payments/imp_1/cancellations?merchant=nobody"
    assert (await console.call("POST", path, {})).status_code == 404


async def test_what_was_taken_back_can_be_cancelled_again(console: Console, stub: Stub) -> None:
    """The checksum is what i'mport's object says is left, not what was announced; the new entry is told."""
    await machine.taken_back(console.ledger, "imp_1")
    stub.reply = lambda _asked: well(again)
    again = cancelled(1004)
    again["cancel_history"][0]["cancellation_id"] = "c2"
    answer = await cancel(console, {}, again)
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    [form] = asked_for(stub)
    assert (form["checksum"], form.get("amount")) == (1004, None)
    shown = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert [event["type"] for event in shown["events"]] == ["payment.paid", "payment.cancelled", "payment.cancelled"]
    assert shown["events"][-1]["data"]["detail"]["cancellation"]["id"] == "c2"
    assert (shown["cancelled_amount"], shown["contradicts"]) == (1004, [])
    [request] = shown["cancellations"]
    assert request["state"] == "confirmed"
