"""Cancellations end to end: asked for through the API, or noted; final, pending, refused."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

import pytest

from tests.support.relay import REQUESTED, Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay()


async def slow(relay: Relay, outcome: str = "never", **fields: Any) -> str:
    """A paid Paymentwall payment: whatever is asked of it waits for a ticket."""
    return await relay.paid(pg_provider="paymentwall", late={"outcome": outcome, "seconds": 1}, **fields)


async def decide(relay: Relay, imp_uid: str, outcome: str) -> None:
    """Let the gateway decide on the latest ticket, which i'mport announces."""
    answer = await relay.sandbox.post(f"/_sandbox/payments/{imp_uid}/ticket", json={"outcome": outcome})
    assert answer.status_code == 200, answer.text


async def at_iamport(relay: Relay, imp_uid: str) -> dict[str, Any]:
    """The payment as i'mport has it."""
    row: dict[str, Any] = (await relay.sandbox.get(f"/_sandbox/payments/{imp_uid}")).json()
    return row


async def test_a_card_is_cancelled_at_once(relay: Relay) -> None:
    """An immediate cancellation answers 200 with the payment cancelled, and is one event without a pending one."""
    imp_uid = await relay.paid()

    answer = await relay.cancel(imp_uid, reason="changed my mind")

    assert answer.status_code == 200, answer.text
    row = answer.json()
    assert (row["status"], row["cancelled_amount"]) == ("cancelled", 1004)
    assert [(r["amount"], r["state"], r["origin"]) for r in row["cancellations"]] == [(1004, "confirmed", "api")]
    _, event = await relay.until_recorded(imp_uid, "paid", "cancelled")
    told = event["data"]["detail"]["cancellation"]
    assert (row["cancellations"][0]["id"], 1004, "changed my mind") == (told["request"], told["amount"], told["reason"])
    history = (await at_iamport(relay, imp_uid))["cancel_history"]
    assert [told["id"]] == [entry["cancellation_id"] for entry in history]
    await relay.until_idle()
    assert await relay.event_types(imp_uid) == ["paid", "cancelled"]


async def test_a_card_is_cancelled_in_parts(relay: Relay) -> None:
    """Each part answers 200 and is one event; more than is left is refused before i'mport is asked."""
    imp_uid = await relay.paid()

    first = await relay.cancel(imp_uid, amount=300)
    await relay.forget_requests()
    too_much = await relay.cancel(imp_uid, amount=705)
    asked = await relay.asked("/payments/cancel")
    rest = await relay.cancel(imp_uid)
    nothing_left = await relay.cancel(imp_uid)

    assert [a.status_code for a in (first, too_much, rest, nothing_left)] == [200, 409, 200, 409]
    assert asked == []
    events = await relay.until_recorded(imp_uid, "paid", "partially_cancelled", "cancelled")
    assert [event["data"]["cancelled_amount"] for event in events] == [0, 300, 1004]


async def test_decimals_are_cancelled_to_the_cent(relay: Relay) -> None:
    """A part of a payment in dollars, and its rest, add up to the cent."""
    imp_uid = await relay.paid(amount=10.10, currency="USD")

    assert (await relay.cancel(imp_uid, amount=3.05)).status_code == 200
    assert (await relay.cancel(imp_uid)).status_code == 200

    events = await relay.until_recorded(imp_uid, "paid", "partially_cancelled", "cancelled")
    sums = [event["data"]["cancelled_amount"] for event in events]
    assert [Decimal(0), Decimal("3.05"), Decimal("10.1")] == sums


async def test_paymentwall_is_pending_then_final_without_a_webhook(relay: Relay) -> None:
    """202 and a pending event first; that the money went back is found by asking, though no webhook comes."""
    imp_uid = await slow(relay)

    answer = await relay.cancel(imp_uid, reason="late")

    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == REQUESTED
    assert [(row["amount"], row["state"]) for row in answer.json()["cancellations"]] == [(1004, "open")]
    request = answer.json()["cancellations"][0]["id"]
    entry = {"cancellation_id": "c_pw", "amount": 1004, "cancelled_at": int(time.time()), "reason": None}
    await relay.payment_at_iamport(
        imp_uid=imp_uid, status="cancelled", cancel_amount=1004, cancelled_at=int(time.time()), cancel_history=[entry]
    )
    events = await relay.until_recorded(imp_uid, "paid", REQUESTED, "cancelled")
    pending, final = (event["data"]["detail"]["cancellation"] for event in events[1:])
    assert (request, request, 1004) == (pending["id"], pending["request"], pending["amount"])
    assert ("c_pw", request, "late") == (final["id"], final["request"], final["reason"])
    payment = await relay.until_status(imp_uid, "cancelled")
    assert [(request, "confirmed")] == [(row["id"], row["state"]) for row in payment["cancellations"]]
    assert payment["cancellations"][0]["closed_at"]


async def test_a_pending_cancellation_is_rejected_by_an_operator(relay: Relay) -> None:
    """An operator closes it, once: the status is paid again, and one event says so with the operator's reason."""
    imp_uid = await slow(relay)
    request = (await relay.cancel(imp_uid)).json()["cancellations"][0]["id"]
    path = f"/v1/payments/{imp_uid}/cancellations/{request}/reject"

    first = await relay.api.post(path, json={"reason": "turned down"})
    second = await relay.api.post(path, json={})

    assert (first.status_code, first.json()["status"], second.status_code) == (200, "paid", 409)
    events = await relay.until_recorded(imp_uid, "paid", REQUESTED, "cancellation_rejected")
    data = events[-1]["data"]
    assert (data["previous_status"], data["status"]) == (REQUESTED, "paid")
    assert data["detail"]["cancellation"]["reason"] == "turned down"
    assert (request, request) == tuple(data["detail"]["cancellation"][name] for name in ("id", "request"))
    assert (await relay.api.post(f"/v1/payments/{imp_uid}/cancellations/can_x/reject")).status_code == 404


async def test_two_requests_are_settled_by_amount(relay: Relay) -> None:
    """Two open parts are confirmed the other way round; the status is pending until both are."""
    imp_uid = await slow(relay)
    ids = []
    for amount in (300, 200):
        answer = await relay.cancel(imp_uid, amount=amount)
        assert answer.status_code == 202, answer.text
        ids.append(answer.json()["cancellations"][-1]["id"])
    too_much = await relay.cancel(imp_uid, amount=505)
    assert too_much.status_code == 409

    await decide(relay, imp_uid, "cancelled")
    events = await relay.until_recorded(imp_uid, "paid", REQUESTED, REQUESTED, "partially_cancelled")
    assert events[-1]["data"]["status"] == REQUESTED
    assert events[-1]["data"]["detail"]["cancellation"]["request"] == ids[1]
    at = int(time.time())
    entries = (await at_iamport(relay, imp_uid))["cancel_history"]
    entries.append({"cancellation_id": "c_first", "amount": 300, "cancelled_at": at})
    await relay.payment_at_iamport(imp_uid=imp_uid, cancel_amount=500, cancelled_at=at, cancel_history=entries)

    events = await relay.until_recorded(
        imp_uid, "paid", REQUESTED, REQUESTED, "partially_cancelled", "partially_cancelled"
    )
    assert (events[-1]["data"]["status"], events[-1]["data"]["cancelled_amount"]) == ("partially_cancelled", 500)
    assert events[-1]["data"]["detail"]["cancellation"]["request"] == ids[0]


async def test_record_only_notes_and_asks_nobody(relay: Relay) -> None:
    """A cancellation asked for elsewhere is pending at once and final when i'mport shows it; i'mport is not asked."""
    imp_uid = await relay.paid()
    await relay.forget_requests()

    answer = await relay.cancel(imp_uid, record_only=True, amount=300, reason="by phone")

    assert (answer.status_code, answer.json()["status"]) == (202, REQUESTED)
    assert await relay.asked("/payments/cancel") == []
    assert answer.json()["cancellations"][0]["origin"] == "record"
    at = int(time.time())
    entry = {"cancellation_id": "c_rec", "amount": 300, "cancelled_at": at}
    await relay.payment_at_iamport(imp_uid=imp_uid, cancel_amount=300, cancelled_at=at, cancel_history=[entry])
    await relay.until_recorded(imp_uid, "paid", REQUESTED, "partially_cancelled")


async def test_a_refusal_changes_nothing(relay: Relay) -> None:
    """409 with i'mport's code and message; no event, no request, and it can be asked for again."""
    imp_uid = await relay.paid()
    before = await relay.payment(imp_uid)

    answer = await relay.cancel(imp_uid, checksum=999)

    assert answer.status_code == 409, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == 1
    assert "취소 가능 금액" in answer.json()["message"]
    after = await relay.payment(imp_uid)
    assert ([], before["status"], before["sequence"]) == (after["cancellations"], after["status"], after["sequence"])
    assert (await relay.cancel(imp_uid)).status_code == 200


async def test_one_is_sent_at_a_time(relay: Relay) -> None:
    """While one cancellation is being sent another one is 409; i'mport is asked once."""
    imp_uid = await relay.paid()
    await relay.forget_requests()
    await relay.faults(slow=5, paths=["/payments/cancel"])
    first = asyncio.create_task(relay.cancel(imp_uid, amount=100))
    await relay.until(lambda: relay.asked("/payments/cancel"), "i'mport is asked")

    second = await relay.cancel(imp_uid, amount=100)

    assert second.status_code == 409, second.text
    assert (await first).status_code == 200
    await relay.faults()
    assert len(await relay.asked("/payments/cancel")) == 1
    await relay.until_recorded(imp_uid, "paid", "partially_cancelled")


async def test_an_idempotency_key_sends_once(relay: Relay) -> None:
    """The same request under the same key is sent once and answered alike."""
    imp_uid = await relay.paid()
    await relay.forget_requests()
    post = f"/v1/payments/{imp_uid}/cancellations"

    answers = [
        await relay.api.post(post, json={"amount": 100}, headers={"idempotency-key": f"k-{imp_uid}"}) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(await relay.asked("/payments/cancel")) == 1
