"""A payment's way, end to end: webhook in, signed callback out."""

from __future__ import annotations

import asyncio
import time

from tests.support.stack import Stack


async def test_a_card_payment_reaches_the_subscriber_signed(stack: Stack) -> None:
    """One webhook of a card payment becomes one callback whose signature the reference library accepts."""
    endpoint = await stack.endpoint()

    (imp_uid,) = await stack.play("card")

    await stack.until_heard("paid")
    stack.heard.verify(endpoint["secret"])
    event = stack.heard.events[0]
    assert event["id"] == stack.heard.requests[0][0]["webhook-id"]
    data = event["data"]
    assert (imp_uid, "paid", None, 1) == (data["imp_uid"], data["status"], data["previous_status"], data["sequence"])
    assert imp_uid == data["payment"]["imp_uid"]


async def test_a_virtual_account_is_told_twice(stack: Stack) -> None:
    """A virtual account is an event when it is issued and another when the deposit comes, in order."""
    await stack.endpoint()

    await stack.play("virtual-account")

    await stack.until_heard("virtual_account_issued", "paid")
    first, second = (event["data"] for event in stack.heard.events)
    assert (first["sequence"], second["sequence"]) == (1, 2)
    assert second["previous_status"] == "virtual_account_issued"


async def test_twenty_identical_webhooks_are_one_event(stack: Stack) -> None:
    """Twenty identical webhooks at once are all acknowledged and make one callback."""
    await stack.endpoint()
    await stack.payment_at_iamport(imp_uid="imp_1", status="paid", paid_at=int(time.time()), amount=1004)

    answers = await asyncio.gather(*(stack.webhook("imp_1") for _ in range(20)))

    assert {200} == {answer.status_code for answer in answers}
    await stack.until_heard("paid")
    await stack.until(lambda: _outcomes(stack, "pending", 0), "every notification is settled")
    assert len(stack.heard.requests) == 1


async def test_a_forged_payment_is_rejected(stack: Stack) -> None:
    """A made-up imp_uid is acknowledged, looked up a few times and rejected; no event comes of it."""
    await stack.endpoint()

    answer = await stack.webhook("imp_forged")

    assert answer.status_code == 200
    await stack.until(lambda: _outcomes(stack, "rejected", 1), "the notification is rejected")
    assert (await stack.api.get("/v1/events")).json()["data"] == []


async def test_a_failing_subscriber_gets_it_again(stack: Stack) -> None:
    """A callback that failed twice comes again by the schedule, with the same id and the same body."""
    stack.heard.answer = lambda count: (500 if count < 3 else 200, 0)
    await stack.endpoint()

    await stack.play("card")

    await stack.until(lambda: _deliveries(stack, "delivered", 1), "it is delivered")
    ids = {headers["webhook-id"] for headers, _ in stack.heard.requests}
    bodies = {body for _, body in stack.heard.requests}
    assert (len(stack.heard.requests), len(ids), len(bodies)) == (3, 1, 1)


async def test_a_worker_killed_in_the_middle_of_a_look(stack: Stack) -> None:
    """A worker killed while i'mport is slow to answer costs nothing: another one looks, and one event comes of it."""
    await stack.endpoint()
    await stack.sandbox.post("/_sandbox/faults", json={"slow": 5, "paths": ["/payments"]})
    await stack.payment_at_iamport(imp_uid="imp_1", status="paid", paid_at=int(time.time()), amount=1004)
    await stack.webhook("imp_1")
    await stack.until(lambda: _asked(stack, "/payments"), "i'mport is asked")

    await stack.worker.kill()
    await stack.sandbox.request("DELETE", "/_sandbox/faults")
    stack.start_worker()

    await stack.until_heard("paid")


async def test_a_worker_killed_in_the_middle_of_a_delivery(stack: Stack) -> None:
    """A worker killed while the subscriber takes its time: the callback comes again, under the same id."""
    stack.heard.answer = lambda count: (200, 5 if count == 1 else 0)
    await stack.endpoint()
    await stack.play("card")
    await stack.until(lambda: stack.heard.requests, "the first attempt arrives")

    await stack.worker.kill()
    stack.start_worker()

    await stack.until(lambda: _deliveries(stack, "delivered", 1), "it is delivered")
    assert len({headers["webhook-id"] for headers, _ in stack.heard.requests}) == 1


async def _outcomes(stack: Stack, outcome: str, count: int) -> bool:
    answer = await stack.api.get("/v1/notifications", params={"outcome": outcome})
    return len(answer.json()["data"]) == count


async def _deliveries(stack: Stack, state: str, count: int) -> bool:
    answer = await stack.api.get("/v1/deliveries", params={"state": state})
    return len(answer.json()["data"]) == count


async def _asked(stack: Stack, path: str) -> bool:
    answer = await stack.sandbox.get("/_sandbox/requests")
    return any(request["path"] == path for request in answer.json()["requests"])
