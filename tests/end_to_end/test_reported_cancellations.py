"""Reported cancellations, which only a webhook announces: which sources are believed, and how far."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas.payments.cancellations import CONFIRM_AFTER
from tests.support.relay import REQUESTED, Relay
from tests.support.relay_fixtures import shared_relay, side_by_side

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay(RELAY_PENDING_SCHEDULE="300ms")


async def return_amount(relay: Relay, imp_uid: str, name: str, amount: int = 1004) -> None:
    """The money went back at i'mport, and no webhook says so."""
    at = int(time.time())
    await relay.payment_at_iamport(
        imp_uid=imp_uid,
        status="cancelled" if amount == 1004 else "paid",
        cancel_amount=amount,
        cancelled_at=at,
        cancel_history=[{"cancellation_id": name, "amount": amount, "cancelled_at": at}],
    )


async def settled(relay: Relay, imp_uid: str) -> None:
    """Wait until every webhook about a payment is settled: by a look-up, or by two where it reports what may be."""

    async def nothing_waits() -> bool:
        query = {"imp_uid": imp_uid, "outcome": "pending"}
        return not (await relay.api.get("/v1/notifications", params=query)).json()["data"]

    await relay.until(nothing_waits, f"the webhooks about {imp_uid} are settled")


async def a_reported_cancellation_is_pending_after_two_look_ups(relay: Relay) -> None:
    """Two look-ups, two seconds apart, do not find it: it is pending, refreshed, and final once i'mport shows it."""
    imp_uid, began = await relay.paid(), time.monotonic()

    await relay.webhook(imp_uid, status="cancelled", cancellation_id="c_a")

    _, pending = await relay.until_recorded(imp_uid, "paid", REQUESTED)
    assert time.monotonic() - began >= 2
    assert pending["data"]["detail"]["cancellation"]["id"] == "c_a"
    assert pending["data"]["detail"]["cancellation"]["amount"] is None
    payment = await relay.until_status(imp_uid, REQUESTED)
    assert [(row["origin"], row["state"], row["amount"]) for row in payment["cancellations"]] == [
        ("webhook", "open", None)
    ]
    await return_amount(relay, imp_uid, "c_a")
    events = await relay.until_recorded(imp_uid, "paid", REQUESTED, "cancelled")
    assert events[-1]["data"]["detail"]["cancellation"]["request"] == "c_a"
    outcomes = (await relay.api.get("/v1/notifications", params={"imp_uid": imp_uid})).json()["data"]
    assert {row["outcome"] for row in outcomes} == {"applied"}


async def a_report_that_the_second_look_up_explains(relay: Relay) -> None:
    """A webhook that is quicker than i'mport's own record is no pending cancellation."""
    imp_uid = await relay.paid()
    before = (await relay.payment(imp_uid))["fetched_at"]
    await relay.webhook(imp_uid, status="cancelled", cancellation_id="c_b")

    async def looked_up() -> bool:
        return bool((await relay.payment(imp_uid))["fetched_at"] != before)

    await relay.until(looked_up, "the first look-up does not find it")

    await return_amount(relay, imp_uid, "c_b")

    await relay.until_recorded(imp_uid, "paid", "cancelled")


async def one_reported_cancellation_a_payment(relay: Relay) -> None:
    """While one reported cancellation is open another report opens nothing; nor does one whose id is known."""
    imp_uid = await relay.paid()
    for name in ("c_1", "c_2"):
        await relay.webhook(imp_uid, status="cancelled", cancellation_id=name)
    await relay.until_recorded(imp_uid, "paid", REQUESTED)

    for pause in (CONFIRM_AFTER, 0):  # two look-ups so far apart miss it
        for name in ("c_1", "c_2", "c_3"):
            await relay.webhook(imp_uid, status="cancelled", cancellation_id=name)
        await settled(relay, imp_uid)
        await asyncio.sleep(pause)

    await relay.until_recorded(imp_uid, "paid", REQUESTED)
    assert len((await relay.payment(imp_uid))["cancellations"]) == 1


async def what_unverified_sources_report_is_never_an_event(relay: Relay) -> None:
    """A cancellation reported by an unverified source only causes refreshes, however often it is reported."""
    async with relay.open_receiver() as unverified:
        imp_uid = await relay.paid()
        await relay.forget_requests()
        report = {"imp_uid": imp_uid, "merchant_uid": "order", "status": "cancelled", "cancellation_id": "c_made_up"}

        for pause in (0, CONFIRM_AFTER, 0):  # nothing may come of it, however much later it is refreshed again
            assert (await unverified.post("/webhooks", json=report)).status_code == 200
            await settled(relay, imp_uid)
            await asyncio.sleep(pause)

        await relay.until_idle()
        assert await relay.event_types(imp_uid) == ["paid"]
        assert (await relay.payment(imp_uid))["status"] == "paid"


async def a_webhook_token_verifies_the_source(relay: Relay) -> None:
    """At the path with the merchant's token a report counts wherever it comes from; without the token it is 404."""
    async with relay.open_receiver() as unverified:
        await relay.merchant("tokened", webhook_token="webhook_token_1")
        path = "/webhooks/tokened/webhook_token_1"
        imp_uid = await relay.paid(merchant="tokened", path=path)
        report = {"imp_uid": imp_uid, "merchant_uid": "order", "status": "cancelled", "cancellation_id": "c_token"}

        assert (await unverified.post("/webhooks/tokened", json=report)).status_code == 404
        assert (await unverified.post(path, json=report)).status_code == 200

        await relay.until_recorded(imp_uid, "paid", REQUESTED, merchant="tokened")


async def reports_that_open_nothing(relay: Relay) -> None:
    """Without the word cancelled, a cancellation's name, or something left to cancel, a webhook opens nothing."""
    unsaid, nameless, gone = [await relay.paid() for _ in range(3)]
    await return_amount(relay, gone, "c_real")
    await relay.webhook(gone, status="cancelled", cancellation_id="c_real")
    await relay.until_recorded(gone, "paid", "cancelled")

    for pause in (CONFIRM_AFTER, 0):  # two look-ups so far apart miss it
        await relay.webhook(unsaid, status="paid", cancellation_id="c_x")
        await relay.webhook(nameless, status="cancelled", cancellation_id="")
        await relay.webhook(gone, status="cancelled", cancellation_id="c_other")
        for imp_uid in (unsaid, nameless, gone):
            await settled(relay, imp_uid)
        await asyncio.sleep(pause)
    await relay.until_idle()

    assert [await relay.event_types(imp_uid) for imp_uid in (unsaid, nameless)] == [["paid"], ["paid"]]
    assert await relay.event_types(gone) == ["paid", "cancelled"]


STORIES = (
    a_reported_cancellation_is_pending_after_two_look_ups,
    a_report_that_the_second_look_up_explains,
    one_reported_cancellation_a_payment,
    what_unverified_sources_report_is_never_an_event,
    a_webhook_token_verifies_the_source,
    reports_that_open_nothing,
)
tasks = side_by_side(STORIES)


@pytest.mark.parametrize("name", [story.__name__ for story in STORIES])
async def test_a_story(tasks: dict[str, asyncio.Task[None]], name: str) -> None:
    """What the story of this name claims holds."""
    await tasks[name]
