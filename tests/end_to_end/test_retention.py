"""Retention: what is settled and old leaves and stays known; nothing that still waits for something leaves."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas.payments import escrow
from tests.support.ledger_state import ledger_state
from tests.support.relay import Relay
from tests.support.relay_fixtures import shared_relay, side_by_side

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay(
    RELAY_LEDGER_RETENTION="4s", RELAY_LOOKBACK="4s", RELAY_RECONCILE_EVERY="0s", RELAY_PENDING_SCHEDULE="30s"
)

AFTER_RETENTION = 7.0


async def until_gone(relay: Relay, imp_uid: str, merchant: str = "default") -> None:
    """Wait until the ledger has nothing of this payment."""

    async def gone() -> bool:
        async with ledger_state(relay.environ["REDIS_URL"]) as state:
            return await state.naming(f"{merchant}/{imp_uid}") == []

    await relay.until(gone, f"{imp_uid} has left")


async def a_settled_payment_leaves_and_is_found_again(relay: Relay) -> None:
    """It is removed with all that belongs to it; after a late webhook only new facts are announced."""
    await relay.endpoint()
    imp_uid = await relay.paid()
    await relay.until_received("paid", imp_uid=imp_uid)
    await until_gone(relay, imp_uid)
    async with ledger_state(relay.environ["REDIS_URL"]) as state:
        assert await state.naming(imp_uid) == []

    await relay.webhook(imp_uid)
    await relay.until_recorded(imp_uid, "paid")
    await relay.until_idle()
    payment = await relay.payment(imp_uid)
    assert (payment["status"], payment["sequence"]) == ("paid", 1)
    assert (await relay.cancel(imp_uid, amount=4)).status_code == 200
    _, news = await relay.until_recorded(imp_uid, "paid", "partially_cancelled")
    assert (news["data"]["sequence"], news["data"]["previous_status"], news["silent"]) == (2, "paid", False)
    await relay.until_received("paid", "partially_cancelled", imp_uid=imp_uid)

    await until_gone(relay, imp_uid)
    assert (await relay.cancel(imp_uid, amount=6)).status_code == 200
    await relay.until_recorded(imp_uid, "paid", "partially_cancelled", "partially_cancelled")
    await relay.until_received("paid", "partially_cancelled", "partially_cancelled", imp_uid=imp_uid)
    await relay.until_idle()


async def a_refresh_and_an_escrow_change_reach_a_payment_that_has_left(relay: Relay) -> None:
    """An operator's refresh finds what is new; a webhook about an escrow change is one event, the next in sequence."""
    await relay.merchant("late")
    heard = await relay.subscribe("late")
    imp_uid = await relay.paid(merchant="late", path="/webhooks/late", escrow=True)
    await relay.until(lambda: heard.types(imp_uid) == ["paid"], "it is heard")
    await until_gone(relay, imp_uid, "late")
    refreshed = await relay.api.post(f"/v1/payments/{imp_uid}/refresh", params={"merchant": "late"})
    assert (refreshed.status_code, refreshed.json()["sequence"]) == (200, 1)

    await until_gone(relay, imp_uid, "late")
    told = {"escrow_status": "4", "changed_at": int(time.time())}
    await relay.webhook(imp_uid, path="/webhooks/late", event=escrow.EVENT, extra=told)
    await relay.until(lambda: heard.types(imp_uid) == ["paid", "escrow_changed"], "the change is heard")
    assert heard.events[-1]["data"]["sequence"] == 2


async def a_delivery_that_has_left_is_sent_again(relay: Relay) -> None:
    """One is retried by an operator, those of a payment are replayed: with the very bytes that were sent before."""
    await relay.merchant("again")
    heard = await relay.subscribe("again")
    imp_uid = await relay.paid(merchant="again", path="/webhooks/again")
    await relay.until(lambda: heard.types(imp_uid) == ["paid"], "it is heard")
    (event,) = await relay.events(imp_uid, "again")
    (endpoint,) = (await relay.api.get("/v1/endpoints", params={"merchant": "again"})).json()["data"]
    await until_gone(relay, imp_uid, "again")

    retried = await relay.api.post(f"/v1/deliveries/{event['id']}.{endpoint['id']}/retry")
    assert retried.status_code == 200, retried.text
    await relay.until(lambda: heard.types(imp_uid) == ["paid", "paid"], "it is heard again")
    await until_gone(relay, imp_uid, "again")

    await relay.api.post("/v1/replays", json={"merchant": "again", "only": "all"})
    await relay.until(lambda: heard.types(imp_uid) == ["paid"] * 3, "it is replayed")
    assert len({request.body for request in heard.requests}) == 1
    assert (await relay.api.post("/v1/deliveries/evt_none.ep_none/retry")).status_code == 404


async def a_first_webhook_of_an_old_payment_is_silent(relay: Relay) -> None:
    """Facts older than the lookback when they are first seen are recorded without delivery."""
    imp_uid = "imp_old"
    await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()) - 60, amount=1004)

    await relay.webhook(imp_uid)

    (event,) = await relay.until_recorded(imp_uid, "paid")
    assert event["silent"] is True
    await relay.until_idle()
    assert relay.subscriber.types(imp_uid) == []


async def what_waits_stays(relay: Relay) -> None:
    """Held deliveries, an open cancellation and an account that waits for its deposit keep their payments here."""
    for name in ("held", "open", "account"):
        await relay.merchant(name)
    heard = await relay.subscribe("held")
    (endpoint,) = (await relay.api.get("/v1/endpoints", params={"merchant": "held"})).json()["data"]
    await relay.api.post(f"/v1/endpoints/{endpoint['id']}/disable")
    held = await relay.paid(merchant="held", path="/webhooks/held")
    slow = {"pg_provider": "paymentwall", "late": {"outcome": "never"}}
    opened = await relay.paid(merchant="open", path="/webhooks/open", **slow)
    params = {"merchant": "open"}
    pending = await relay.api.post(f"/v1/payments/{opened}/cancellations", params=params, json={})
    assert pending.status_code == 202
    now, account = int(time.time()), "imp_account"
    await relay.payment_at_iamport(
        imp_uid=account, status="ready", pay_method="vbank", vbank_num="7", vbank_date=now + 86400, vbank_issued_at=now
    )
    await relay.webhook(account, status="ready", path="/webhooks/account")
    await relay.until_recorded(account, "virtual_account_issued", merchant="account")

    await asyncio.sleep(AFTER_RETENTION)  # nothing of this may have left by then

    assert (await relay.payment(held, "held"))["status"] == "paid"
    assert (await relay.payment(opened, "open"))["status"] == "cancellation_pending"
    assert (await relay.payment(account, "account"))["status"] == "virtual_account_issued"
    await relay.api.post(f"/v1/endpoints/{endpoint['id']}/enable")
    await relay.until(lambda: heard.types(held) == ["paid"], "what was held is heard")
    request = pending.json()["cancellations"][0]["id"]
    closed = await relay.api.post(f"/v1/payments/{opened}/cancellations/{request}/reject", params=params, json={})
    assert closed.status_code == 200
    await until_gone(relay, held, "held")


async def rejected_notifications_leave(relay: Relay) -> None:
    """Made-up webhooks are removed, so they cannot fill the ledger."""
    await relay.webhook("imp_made_up")

    async def is_rejected() -> bool:
        answer = await relay.api.get("/v1/notifications", params={"imp_uid": "imp_made_up"})
        return [row["outcome"] for row in answer.json()["data"]] == ["rejected"]

    await relay.until(is_rejected, "it is rejected")
    await until_gone(relay, "imp_made_up")


async def nothing_is_left_of_what_left(relay: Relay) -> None:
    """When all payments have left, the indexes of payments, events and deliveries are as empty as they began."""
    await relay.merchant("brief")
    await relay.subscribe("brief")
    imp_uids = [await relay.paid(merchant="brief", path="/webhooks/brief") for _ in range(3)]

    for imp_uid in imp_uids:
        await until_gone(relay, imp_uid, "brief")

    async with ledger_state(relay.environ["REDIS_URL"]) as state:
        left = await state.naming("brief")
    assert [name for name in left if name.endswith(":m:brief") and not name.startswith("endpoints")] == []


STORIES = (
    a_settled_payment_leaves_and_is_found_again,
    a_refresh_and_an_escrow_change_reach_a_payment_that_has_left,
    a_delivery_that_has_left_is_sent_again,
    a_first_webhook_of_an_old_payment_is_silent,
    what_waits_stays,
    rejected_notifications_leave,
    nothing_is_left_of_what_left,
)
tasks = side_by_side(STORIES)


@pytest.mark.parametrize("name", [story.__name__ for story in STORIES])
async def test_a_story(tasks: dict[str, asyncio.Task[None]], name: str) -> None:
    """What the story of this name claims holds."""
    await tasks[name]
