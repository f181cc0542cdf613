"""Retention: what is settled and old leaves and stays known; nothing that still waits for something leaves."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from ledger.keys import key
from tests.support.relay import Relay, one_relay, side_by_side

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = one_relay(RELAY_RETENTION="4s", RELAY_LOOKBACK="4s", RELAY_RECONCILE_EVERY="0s", RELAY_PENDING_SCHEDULE="30s")

AFTER_RETENTION = 7.0
_numbers = itertools.count(1)


async def paid(relay: Relay, merchant: str = "default", **fields: Any) -> str:
    """A payment that the relay knows as paid, announced under its own order number; its imp_uid."""
    imp_uid = f"imp_r{next(_numbers)}"
    shown = {"status": "paid", "paid_at": int(time.time()), "amount": 1004, **fields}
    await relay.payment_at_iamport(imp_uid=imp_uid, merchant_uid=f"order-{imp_uid}", **shown)
    await relay.webhook(imp_uid, path="/webhooks" if merchant == "default" else f"/webhooks/{merchant}")
    await relay.until_told(imp_uid, "paid", merchant=merchant)
    return imp_uid


async def until_gone(relay: Relay, imp_uid: str, merchant: str = "default") -> None:
    """Wait until the ledger has no payment of this name."""

    async def gone() -> bool:
        return not await relay.payment(imp_uid, merchant)

    await relay.until(gone, f"{imp_uid} has left")


async def a_settled_payment_leaves_and_is_remembered(relay: Relay) -> None:
    """It leaves with all that belongs to it; a late webhook brings it back without news, and what is new is told."""
    endpoint = await relay.endpoint()
    imp_uid = await paid(relay)
    await relay.until_heard("paid", imp_uid=imp_uid)
    (event,) = await relay.events(imp_uid)

    await until_gone(relay, imp_uid)

    assert (await relay.api.get(f"/v1/events/{event['id']}")).status_code == 404
    assert (await relay.api.get(f"/v1/deliveries/{event['id']}.{endpoint['id']}")).status_code == 404
    notifications = await relay.api.get("/v1/notifications", params={"imp_uid": imp_uid})
    assert notifications.json()["data"] == []
    left = [name async for name in relay.ledger.store.redis.scan_iter(match=f"*{imp_uid}*", count=1000)]
    assert left == [key("tomb", f"default/{imp_uid}").encode()]

    await relay.webhook(imp_uid)
    payment = await relay.until_standing(imp_uid, "paid")
    await relay.until_quiet()
    assert (payment["sequence"], payment["events"]) == (1, [])
    assert (await relay.api.post(f"/v1/payments/{imp_uid}/cancellations", json={"amount": 4})).status_code == 200
    (news,) = await relay.until_told(imp_uid, "partially_cancelled")
    assert (news["data"]["sequence"], news["data"]["previous_status"], news["silent"]) == (2, "paid", False)
    await relay.until_heard("paid", "partially_cancelled", imp_uid=imp_uid)
    await until_gone(relay, imp_uid)
    await relay.webhook(imp_uid)
    await relay.until_standing(imp_uid, "partially_cancelled")
    await relay.until_quiet()
    assert relay.heard.types(imp_uid) == ["paid", "partially_cancelled"]


async def a_first_webhook_of_an_old_payment_is_silent(relay: Relay) -> None:
    """Facts older than the lookback when they are first seen are recorded without delivery."""
    imp_uid = "imp_old"
    await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()) - 60, amount=1004)

    await relay.webhook(imp_uid)

    (event,) = await relay.until_told(imp_uid, "paid")
    assert event["silent"] is True
    await relay.until_quiet()
    assert relay.heard.types(imp_uid) == []


async def what_waits_stays(relay: Relay) -> None:
    """Held deliveries, an open cancellation and an account that waits for its deposit keep their payments here."""
    for name in ("held", "open", "account"):
        await relay.merchant(name)
    heard = await relay.subscribe("held")
    (endpoint,) = (await relay.api.get("/v1/endpoints", params={"merchant": "held"})).json()["data"]
    await relay.api.post(f"/v1/endpoints/{endpoint['id']}/disable")
    held = await paid(relay, "held")
    slow = {"pg_provider": "paymentwall", "late": {"outcome": "never"}}
    opened = await paid(relay, "open", **slow)
    params = {"merchant": "open"}
    pending = await relay.api.post(f"/v1/payments/{opened}/cancellations", params=params, json={})
    assert pending.status_code == 202
    now, account = int(time.time()), "imp_account"
    await relay.payment_at_iamport(
        imp_uid=account, status="ready", pay_method="vbank", vbank_num="7", vbank_date=now + 86400, vbank_issued_at=now
    )
    await relay.webhook(account, status="ready", path="/webhooks/account")
    await relay.until_told(account, "virtual_account_issued", merchant="account")

    await asyncio.sleep(AFTER_RETENTION)

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
    """Made-up webhooks are forgotten; nobody can fill the ledger with them."""
    await relay.webhook("imp_made_up")

    async def outcomes(count: int) -> bool:
        answer = await relay.api.get("/v1/notifications", params={"imp_uid": "imp_made_up"})
        return [row["outcome"] for row in answer.json()["data"]] == ["rejected"] * count

    await relay.until(lambda: outcomes(1), "it is rejected")
    await relay.until(lambda: outcomes(0), "it is forgotten")
    left = [name async for name in relay.ledger.store.redis.scan_iter(match="*imp_made_up*", count=1000)]
    assert left == []


async def nothing_is_left_of_what_left(relay: Relay) -> None:
    """When all payments have left, the indexes of payments, events and deliveries are as empty as they began."""
    await relay.merchant("brief")
    await relay.subscribe("brief")
    imp_uids = [await paid(relay, "brief") for _ in range(3)]

    for imp_uid in imp_uids:
        await until_gone(relay, imp_uid, "brief")

    redis = relay.ledger.store.redis
    for name in ("pays", "evts", "ntfs"):
        assert await redis.zcard(key(name, "m", "brief")) == 0
    assert (await relay.api.get("/v1/payments", params={"merchant": "brief"})).json()["data"] == []


STORIES = (
    a_settled_payment_leaves_and_is_remembered,
    a_first_webhook_of_an_old_payment_is_silent,
    what_waits_stays,
    rejected_notifications_leave,
    nothing_is_left_of_what_left,
)
told = side_by_side(STORIES)


@pytest.mark.parametrize("name", [story.__name__ for story in STORIES])
async def test_a_story(told: dict[str, asyncio.Task[None]], name: str) -> None:
    """What the story of this name says, is so."""
    await told[name]
