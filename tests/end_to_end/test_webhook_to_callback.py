"""A payment's way, end to end: webhook in, signed callback out."""

from __future__ import annotations

import asyncio
import time

from tests.support.relay import Relay


async def test_a_card_payment_reaches_the_subscriber_signed(relay: Relay) -> None:
    """One webhook of a card payment becomes one callback whose signature the reference library accepts."""
    endpoint = await relay.endpoint()

    (imp_uid,) = await relay.play("card")

    await relay.until_received("paid")
    relay.subscriber.verify(endpoint["secret"])
    event = relay.subscriber.events[0]
    assert event["id"] == relay.subscriber.requests[0].headers["webhook-id"]
    data = event["data"]
    assert (imp_uid, "paid", None, 1) == (data["imp_uid"], data["status"], data["previous_status"], data["sequence"])
    assert imp_uid == data["payment"]["imp_uid"]


async def test_a_virtual_account_is_told_twice(relay: Relay) -> None:
    """A virtual account is an event when it is issued and another when the deposit comes, in order."""
    await relay.endpoint()

    await relay.play("virtual-account")

    await relay.until_received("virtual_account_issued", "paid")
    first, second = (event["data"] for event in relay.subscriber.events)
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert second["previous_status"] == "virtual_account_issued"


async def test_twenty_identical_webhooks_are_one_event(relay: Relay) -> None:
    """Twenty identical webhooks at once are all acknowledged and make one callback."""
    await relay.endpoint()
    await relay.payment_at_iamport(imp_uid="imp_1", status="paid", paid_at=int(time.time()), amount=1004)

    answers = await asyncio.gather(*(relay.webhook("imp_1") for _ in range(20)))

    assert {200} == {answer.status_code for answer in answers}
    await relay.until_received("paid")
    await relay.until(lambda: _outcomes(relay, "pending", 0), "every notification is settled")
    assert len(relay.subscriber.requests) == 1


async def test_a_forged_payment_is_rejected(relay: Relay) -> None:
    """A made-up imp_uid is acknowledged, looked up a few times and rejected; no event comes of it."""
    await relay.endpoint()

    answer = await relay.webhook("imp_forged")

    assert answer.status_code == 200
    await relay.until(lambda: _outcomes(relay, "rejected", 1), "the notification is rejected")
    assert (await relay.api.get("/v1/events")).json()["data"] == []


async def test_a_failing_subscriber_gets_it_again(relay: Relay) -> None:
    """A callback that failed twice comes again by the schedule, with the same id and the same body."""
    relay.subscriber.reply = lambda count: (500 if count < 3 else 200, 0)
    await relay.endpoint()

    await relay.play("card")

    await relay.until(lambda: _deliveries(relay, "delivered", 1), "it is delivered")
    ids = {request.headers["webhook-id"] for request in relay.subscriber.requests}
    bodies = {request.body for request in relay.subscriber.requests}
    assert (len(relay.subscriber.requests), len(ids), len(bodies)) == (3, 1, 1)


async def test_a_worker_killed_in_the_middle_of_a_look(relay: Relay) -> None:
    """A worker killed while i'mport is slow loses nothing: another one refreshes, and there is one event."""
    await relay.endpoint()
    await relay.sandbox.post("/_sandbox/faults", json={"slow": 5, "paths": ["/payments"]})
    await relay.payment_at_iamport(imp_uid="imp_1", status="paid", paid_at=int(time.time()), amount=1004)
    await relay.webhook("imp_1")
    await relay.until(lambda: _asked(relay, "/payments"), "i'mport is asked")

    await relay.worker.kill()
    await relay.sandbox.request("DELETE", "/_sandbox/faults")
    relay.start_worker()

    await relay.until_received("paid")


async def test_a_worker_killed_in_the_middle_of_a_delivery(relay: Relay) -> None:
    """A worker killed while the subscriber takes its time: the callback comes again, under the same id."""
    relay.subscriber.reply = lambda count: (200, 5 if count == 1 else 0)
    await relay.endpoint()
    await relay.play("card")
    await relay.until(lambda: relay.subscriber.requests, "the first attempt arrives")

    await relay.worker.kill()
    relay.start_worker()

    await relay.until(lambda: _deliveries(relay, "delivered", 1), "it is delivered")
    assert len({request.headers["webhook-id"] for request in relay.subscriber.requests}) == 1


async def _outcomes(relay: Relay, outcome: str, count: int) -> bool:
    answer = await relay.api.get("/v1/notifications", params={"outcome": outcome})
    return len(answer.json()["data"]) == count


async def _deliveries(relay: Relay, state: str, count: int) -> bool:
    answer = await relay.api.get("/v1/deliveries", params={"state": state})
    return len(answer.json()["data"]) == count


async def _asked(relay: Relay, path: str) -> bool:
    answer = await relay.sandbox.get("/_sandbox/requests")
    return any(request["path"] == path for request in answer.json()["requests"])
