"""Cancellations end to end: asked for through the API, noted, claimed by webhooks; final, pending, refused, unclear."""

from __future__ import annotations

import asyncio
import itertools
import time
from decimal import Decimal
from typing import Any

import httpx
import pytest

from ledger.keys import key
from schemas import wire
from tests.end_to_end.relay import Relay, one_relay
from tests.processes import Process

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = one_relay()

REQUESTED = "cancellation_pending"
_numbers = itertools.count(1)


async def paid(relay: Relay, **fields: Any) -> str:
    """A payment of 1004 that the relay knows as paid; its imp_uid."""
    imp_uid = f"imp_c{next(_numbers)}"
    await relay.payment_at_iamport(
        **{"imp_uid": imp_uid, "status": "paid", "paid_at": int(time.time()), "amount": 1004, **fields}
    )
    await relay.webhook(imp_uid)
    await relay.until_told(imp_uid, "paid")
    return imp_uid


async def slow(relay: Relay, outcome: str = "never", **fields: Any) -> str:
    """A paid Paymentwall payment: whatever is asked of it waits for a ticket."""
    return await paid(relay, pg_provider="paymentwall", late={"outcome": outcome, "seconds": 1}, **fields)


async def cancel(relay: Relay, imp_uid: str, **fields: Any) -> httpx.Response:
    """Ask the relay to cancel."""
    return await relay.api.post(f"/v1/payments/{imp_uid}/cancellations", json=fields)


async def decide(relay: Relay, imp_uid: str, outcome: str) -> None:
    """Let the gateway decide on the latest ticket, which i'mport announces."""
    answer = await relay.sandbox.post(f"/_sandbox/payments/{imp_uid}/ticket", json={"outcome": outcome})
    assert answer.status_code == 200, answer.text


async def at_iamport(relay: Relay, imp_uid: str) -> dict[str, Any]:
    """The payment as i'mport has it."""
    row: dict[str, Any] = (await relay.sandbox.get(f"/_sandbox/payments/{imp_uid}")).json()
    return row


async def test_a_card_is_cancelled_at_once(relay: Relay) -> None:
    """An immediate cancellation answers 200 with the payment cancelled and is one event: nobody hears of it pending."""
    imp_uid = await paid(relay)

    answer = await cancel(relay, imp_uid, reason="changed my mind")

    assert answer.status_code == 200, answer.text
    row = answer.json()
    assert (row["status"], row["cancelled_amount"]) == ("cancelled", 1004)
    assert [(r["amount"], r["state"], r["origin"]) for r in row["cancellations"]] == [(1004, "confirmed", "api")]
    _, event = await relay.until_told(imp_uid, "paid", "cancelled")
    told = event["data"]["detail"]["cancellation"]
    assert (row["cancellations"][0]["id"], 1004, "changed my mind") == (told["request"], told["amount"], told["reason"])
    history = (await at_iamport(relay, imp_uid))["cancel_history"]
    assert [told["id"]] == [entry["cancellation_id"] for entry in history]
    await relay.until_quiet()
    assert await relay.told(imp_uid) == ["paid", "cancelled"]


async def test_a_card_is_cancelled_in_parts(relay: Relay) -> None:
    """Each part answers 200 and is one event; more than is left is refused before i'mport is asked."""
    imp_uid = await paid(relay)

    first = await cancel(relay, imp_uid, amount=300)
    await relay.forget_requests()
    too_much = await cancel(relay, imp_uid, amount=705)
    asked = await relay.asked("/payments/cancel")
    rest = await cancel(relay, imp_uid)
    nothing_left = await cancel(relay, imp_uid)

    assert [a.status_code for a in (first, too_much, rest, nothing_left)] == [200, 409, 200, 409]
    assert asked == []
    events = await relay.until_told(imp_uid, "paid", "partially_cancelled", "cancelled")
    assert [event["data"]["cancelled_amount"] for event in events] == [0, 300, 1004]


async def test_decimals_are_cancelled_to_the_cent(relay: Relay) -> None:
    """A part of a payment in dollars, and its rest, add up to the cent."""
    imp_uid = await paid(relay, amount=10.10, currency="USD")

    assert (await cancel(relay, imp_uid, amount=3.05)).status_code == 200
    assert (await cancel(relay, imp_uid)).status_code == 200

    events = await relay.until_told(imp_uid, "paid", "partially_cancelled", "cancelled")
    sums = [event["data"]["cancelled_amount"] for event in events]
    assert [Decimal(0), Decimal("3.05"), Decimal("10.1")] == sums


async def test_paymentwall_is_pending_then_final_without_a_webhook(relay: Relay) -> None:
    """202 and a pending event first; that the money went back is found by asking, though no webhook comes."""
    imp_uid = await slow(relay)

    answer = await cancel(relay, imp_uid, reason="late")

    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == REQUESTED
    assert [(row["amount"], row["state"]) for row in answer.json()["cancellations"]] == [(1004, "open")]
    request = answer.json()["cancellations"][0]["id"]
    entry = {"cancellation_id": "c_pw", "amount": 1004, "cancelled_at": int(time.time()), "reason": None}
    await relay.payment_at_iamport(
        imp_uid=imp_uid, status="cancelled", cancel_amount=1004, cancelled_at=int(time.time()), cancel_history=[entry]
    )
    events = await relay.until_told(imp_uid, "paid", REQUESTED, "cancelled")
    pending, final = (event["data"]["detail"]["cancellation"] for event in events[1:])
    assert (request, request, 1004) == (pending["id"], pending["request"], pending["amount"])
    assert ("c_pw", request, "late") == (final["id"], final["request"], final["reason"])
    payment = await relay.until_standing(imp_uid, "cancelled")
    assert [(request, "confirmed")] == [(row["id"], row["state"]) for row in payment["cancellations"]]
    assert payment["cancellations"][0]["closed_at"]


async def test_a_pending_cancellation_is_rejected_by_an_operator(relay: Relay) -> None:
    """An operator closes it, once: the status is paid again, and one event says so with the operator's reason."""
    imp_uid = await slow(relay)
    request = (await cancel(relay, imp_uid)).json()["cancellations"][0]["id"]
    path = f"/v1/payments/{imp_uid}/cancellations/{request}/reject"

    first = await relay.api.post(path, json={"reason": "turned down"})
    second = await relay.api.post(path, json={})

    assert (first.status_code, first.json()["status"], second.status_code) == (200, "paid", 409)
    events = await relay.until_told(imp_uid, "paid", REQUESTED, "cancellation_rejected")
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
        answer = await cancel(relay, imp_uid, amount=amount)
        assert answer.status_code == 202, answer.text
        ids.append(answer.json()["cancellations"][-1]["id"])
    too_much = await cancel(relay, imp_uid, amount=505)
    assert too_much.status_code == 409

    await decide(relay, imp_uid, "cancelled")
    events = await relay.until_told(imp_uid, "paid", REQUESTED, REQUESTED, "partially_cancelled")
    assert events[-1]["data"]["status"] == REQUESTED
    assert events[-1]["data"]["detail"]["cancellation"]["request"] == ids[1]
    at = int(time.time())
    entries = (await at_iamport(relay, imp_uid))["cancel_history"]
    entries.append({"cancellation_id": "c_first", "amount": 300, "cancelled_at": at})
    await relay.payment_at_iamport(imp_uid=imp_uid, cancel_amount=500, cancelled_at=at, cancel_history=entries)

    events = await relay.until_told(imp_uid, "paid", REQUESTED, REQUESTED, "partially_cancelled", "partially_cancelled")
    assert (events[-1]["data"]["status"], events[-1]["data"]["cancelled_amount"]) == ("partially_cancelled", 500)
    assert events[-1]["data"]["detail"]["cancellation"]["request"] == ids[0]


async def test_record_only_notes_and_asks_nobody(relay: Relay) -> None:
    """A cancellation asked for elsewhere is pending at once and final when i'mport shows it; i'mport is not asked."""
    imp_uid = await paid(relay)
    await relay.forget_requests()

    answer = await cancel(relay, imp_uid, record_only=True, amount=300, reason="by phone")

    assert (answer.status_code, answer.json()["status"]) == (202, REQUESTED)
    assert await relay.asked("/payments/cancel") == []
    assert answer.json()["cancellations"][0]["origin"] == "record"
    at = int(time.time())
    entry = {"cancellation_id": "c_rec", "amount": 300, "cancelled_at": at}
    await relay.payment_at_iamport(imp_uid=imp_uid, cancel_amount=300, cancelled_at=at, cancel_history=[entry])
    await relay.until_told(imp_uid, "paid", REQUESTED, "partially_cancelled")


async def test_a_refusal_changes_nothing(relay: Relay) -> None:
    """409 with i'mport's code and message; no event, no request, and it can be asked for again."""
    imp_uid = await paid(relay)
    before = await relay.payment(imp_uid)

    answer = await cancel(relay, imp_uid, checksum=999)

    assert answer.status_code == 409, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == 1
    assert "취소 가능 금액" in answer.json()["message"]
    after = await relay.payment(imp_uid)
    assert ([], before["status"], before["sequence"]) == (after["cancellations"], after["status"], after["sequence"])
    assert (await cancel(relay, imp_uid)).status_code == 200


async def test_one_is_sent_at_a_time(relay: Relay) -> None:
    """While one cancellation is being sent another one is 409; i'mport is asked once."""
    imp_uid = await paid(relay)
    await relay.forget_requests()
    await relay.faults(slow=1.5, paths=["/payments/cancel"])
    first = asyncio.create_task(cancel(relay, imp_uid, amount=100))
    await relay.until(lambda: relay.asked("/payments/cancel"), "i'mport is asked")

    second = await cancel(relay, imp_uid, amount=100)

    assert second.status_code == 409, second.text
    assert (await first).status_code == 200
    await relay.faults()
    assert len(await relay.asked("/payments/cancel")) == 1
    await relay.until_told(imp_uid, "paid", "partially_cancelled")


async def test_an_idempotency_key_sends_once(relay: Relay) -> None:
    """The same request under the same key is sent once and answered alike."""
    imp_uid = await paid(relay)
    await relay.forget_requests()
    post = f"/v1/payments/{imp_uid}/cancellations"

    answers = [
        await relay.api.post(post, json={"amount": 100}, headers={"idempotency-key": f"k-{imp_uid}"}) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert len(await relay.asked("/payments/cancel")) == 1


async def test_wrong_credentials_leave_no_trace(relay: Relay) -> None:
    """502 where i'mport turns the credentials down: nothing was sent, nothing is open, and it works again later."""
    imp_uid = await paid(relay)
    await relay.faults(revoked=True)

    answer = await cancel(relay, imp_uid)

    assert answer.status_code == 502, answer.text
    await relay.faults()
    assert (await relay.payment(imp_uid))["cancellations"] == []
    assert (await cancel(relay, imp_uid)).status_code == 200
    await relay.until_told(imp_uid, "paid", "cancelled")


async def test_too_many_requests_leave_no_trace(relay: Relay) -> None:
    """A 429 turned it away at the door: 502, and nothing is open."""
    imp_uid = await paid(relay)
    await relay.faults(status=429, paths=["/payments/cancel"])

    answer = await cancel(relay, imp_uid)

    await relay.faults()
    assert answer.status_code == 502, answer.text
    payment = await relay.payment(imp_uid)
    assert (payment["status"], payment["cancellations"]) == ("paid", [])


async def test_an_i_mport_that_cannot_be_reached(relay: Relay) -> None:
    """A connection that never came about is 502 and leaves no trace."""
    imp_uid = await paid(relay)
    console, api = await another_console(relay, IMP_API_URL=f"http://127.0.0.1:{relay.free_port()}")

    async with api:
        answer = await api.post(f"/v1/payments/{imp_uid}/cancellations", json={})

    assert answer.status_code == 502, answer.text
    payment = await relay.payment(imp_uid)
    assert (payment["status"], payment["cancellations"]) == ("paid", [])
    assert await console.terminate() == 0


@pytest.mark.parametrize("fault", [{"status": 500}, {"html": True, "status": 502}, {"timeout": True}])
async def test_an_answer_that_is_lost(relay: Relay, fault: dict[str, Any]) -> None:
    """504 where i'mport acts and its answer is lost: it stays open, is never sent again, and asking finds out."""
    imp_uid = await paid(relay)
    await relay.forget_requests()
    await relay.faults(after=True, paths=["/payments/cancel"], **fault)

    answer = await cancel(relay, imp_uid)

    assert answer.status_code == 504, answer.text
    await relay.faults()
    payment = await relay.until_standing(imp_uid, "cancelled")
    assert [row["state"] for row in payment["cancellations"]] == ["confirmed"]
    told = await relay.told(imp_uid)
    assert told in (["paid", "cancelled"], ["paid", REQUESTED, "cancelled"])
    assert len(await relay.asked("/payments/cancel")) == 1


async def test_an_answer_that_is_lost_before_i_mport_acts(relay: Relay) -> None:
    """504 where i'mport never acts: it stays open until an operator closes it, and more can be asked for after that."""
    imp_uid = await paid(relay)
    await relay.forget_requests()
    await relay.faults(status=500, paths=["/payments/cancel"], times=1)

    answer = await cancel(relay, imp_uid)

    assert answer.status_code == 504, answer.text
    payment = await relay.until_standing(imp_uid, REQUESTED)
    (request,) = payment["cancellations"]
    assert (request["amount"], request["state"]) == (1004, "open")
    assert (await cancel(relay, imp_uid)).status_code == 409
    await asyncio.sleep(1.2)
    assert len(await relay.asked("/payments/cancel")) == 1
    await relay.api.post(f"/v1/payments/{imp_uid}/cancellations/{request['id']}/reject", json={})
    assert (await cancel(relay, imp_uid)).status_code == 200
    await relay.until_told(imp_uid, "paid", REQUESTED, "cancellation_rejected", "cancelled")


async def test_a_console_killed_while_i_mport_acts(relay: Relay) -> None:
    """Killed between intent and answer, i'mport having acted: the result is found, and nothing is sent twice."""
    imp_uid = await paid(relay)
    await relay.forget_requests()

    await kill_while_asking(relay, imp_uid, after=True, slow=1)

    await relay.until_told(imp_uid, "paid", "cancelled")
    payment = await relay.payment(imp_uid)
    assert [row["state"] for row in payment["cancellations"]] == ["confirmed"]
    assert len(await relay.asked("/payments/cancel")) == 1


async def test_a_console_killed_and_nobody_knows(relay: Relay) -> None:
    """Killed between intent and answer, i'mport never having acted: after a minute it is open, and stays so."""
    imp_uid = await paid(relay)
    await relay.forget_requests()
    await kill_while_asking(relay, imp_uid, slow=1, status=500)
    assert (await cancel(relay, imp_uid)).status_code == 409
    assert await relay.told(imp_uid) == ["paid"]

    await let_a_minute_pass(relay, imp_uid)
    await relay.api.post(f"/v1/payments/{imp_uid}/refresh")

    await relay.until_told(imp_uid, "paid", REQUESTED)
    payment = await relay.payment(imp_uid)
    assert (payment["status"], payment["cancellations"][0]["state"]) == (REQUESTED, "open")
    assert len(await relay.asked("/payments/cancel")) == 1


async def another_console(relay: Relay, **environ: str) -> tuple[Process, httpx.AsyncClient]:
    """One more console, and a client of it."""
    port = relay.free_port()
    console = relay.start_process("console", PORT=str(port), **environ)
    await console.ready(f"http://127.0.0.1:{port}/livez")
    return console, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=relay.api.headers, timeout=30)


async def kill_while_asking(relay: Relay, imp_uid: str, **fault: Any) -> None:
    """Ask a console to cancel, and kill it when i'mport has got the request and has not answered."""
    await relay.faults(paths=["/payments/cancel"], times=1, **fault)
    console, api = await another_console(relay)
    async with api:
        asking = asyncio.create_task(api.post(f"/v1/payments/{imp_uid}/cancellations", json={}))
        await relay.until(lambda: relay.asked("/payments/cancel"), "i'mport is asked")
        await console.kill()
        with pytest.raises(httpx.TransportError):
            await asking
    await relay.until(lambda: _answered(relay), "i'mport is done with it")
    await relay.faults()


async def let_a_minute_pass(relay: Relay, imp_uid: str) -> None:
    """Move what is being sent into the past."""
    name = key("pay", f"default/{imp_uid}")
    text = await relay.ledger.store.redis.hget(name, "requests")
    assert text is not None
    (request,) = wire.loads(text)
    request["requested_at"] -= 61
    await relay.ledger.store.redis.hset(name, "requests", wire.dumps([request]))


async def _answered(relay: Relay) -> bool:
    return all(row["status_code"] for row in await relay.asked("/payments/cancel"))
