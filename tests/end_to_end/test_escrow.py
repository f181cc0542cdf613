"""Escrow changes and other bodies, from the webhook to the callback: what is believed, of whom, and what is shown."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from schemas.payments import escrow
from schemas.payments.events import event_id
from tests.support.relay import Relay
from tests.support.relay_fixtures import shared_relay, side_by_side

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay()

CHANGED = "escrow_changed"
_numbers = itertools.count(1)


async def bought(relay: Relay, **fields: Any) -> str:
    """An escrow payment that is paid at i'mport; the relay knows nothing of it yet. Its imp_uid."""
    imp_uid = f"imp_e{next(_numbers)}"
    await relay.payment_at_iamport(
        **{"imp_uid": imp_uid, "status": "paid", "paid_at": int(time.time()), "amount": 1004, "escrow": True, **fields}
    )
    return imp_uid


def body(imp_uid: str, code: str = "4", **extra: Any) -> dict[str, Any]:
    """An escrow webhook as i'mport documents it."""
    told = {"escrow_status": code, "changed_at": int(time.time()), **extra}
    return {"event": escrow.EVENT, "imp_uid": imp_uid, "merchant_uid": "order", "status": "paid", "extra": told}


async def noted(relay: Relay, imp_uid: str) -> list[dict[str, Any]]:
    """The payment's notifications once all are settled, oldest first."""

    async def settled() -> list[dict[str, Any]]:
        rows = (await relay.api.get("/v1/notifications", params={"imp_uid": imp_uid})).json()["data"]
        return [] if any(row["outcome"] == "pending" for row in rows) else rows[::-1]

    rows: list[dict[str, Any]] = await relay.until(settled, f"the notifications of {imp_uid} are settled")
    return rows


async def a_change_reaches_subscribers_once(relay: Relay) -> None:
    """JSON, the same as a form, and the same by hand later are one event with one id; the payment stays paid."""
    heard, imp_uid = await relay.subscribe(types=["payment.escrow_changed"]), await bought(relay)
    claim = body(imp_uid, denied_reason="단순 변심")
    told = claim["extra"]
    form = {name: value for name, value in claim.items() if name != "extra"} | {
        f"extra[{name}]": value for name, value in told.items()
    }

    assert (await relay.intake.post("/webhooks", json=claim)).status_code == 200
    await relay.until_recorded(imp_uid, "paid", CHANGED)
    assert (await relay.intake.post("/webhooks", data=form)).status_code == 200
    assert [row["outcome"] for row in await noted(relay, imp_uid)] == ["applied", "unchanged"]

    _, event = await relay.until_recorded(imp_uid, "paid", CHANGED)
    assert event["id"] == event_id("default", imp_uid, f"escrow:4:{told['changed_at']}")
    assert event["data"]["detail"]["escrow"] == {
        "status": "refused", "code": "4", "changed_at": event["timestamp"], "denied_reason": "단순 변심"
    }  # fmt: skip
    assert (event["data"]["status"], event["data"]["previous_status"]) == ("paid", "paid")
    await relay.until(lambda: heard.types(imp_uid), "the subscriber has heard of it")
    assert heard.types(imp_uid) == [CHANGED]
    assert [row["extra"]["extra"]["escrow_status"] for row in await noted(relay, imp_uid)] == ["4", "4"]


async def changes_in_any_order_are_all_told(relay: Relay) -> None:
    """Each of several changes that come at once and the wrong way round is a fact; codes nobody knows are `other`."""
    imp_uid, now = await bought(relay), int(time.time())
    claims = [body(imp_uid, code, changed_at=now - 60 + place) for place, code in enumerate(("2", "99", "4", "10"))]

    await asyncio.gather(*(relay.intake.post("/webhooks", json=claim) for claim in reversed(claims)))

    rows = await relay.until_recorded(imp_uid, "paid", *[CHANGED] * 4)
    assert sorted(row["data"]["detail"]["escrow"]["status"] for row in rows[1:]) == [
        "other", "refusal_confirmed", "refused", "shipped",
    ]  # fmt: skip


async def a_change_before_i_mport_knows_the_payment(relay: Relay) -> None:
    """It waits with its notification, and is told after the payment."""
    imp_uid = f"imp_e{next(_numbers)}"
    await relay.intake.post("/webhooks", json=body(imp_uid, "2"))

    async def looked_up() -> bool:
        return any(imp_uid in row["imp_uids"] for row in await relay.asked("/payments"))

    await relay.until(looked_up, "i'mport was asked for it")
    await bought(relay, imp_uid=imp_uid)

    await relay.until_recorded(imp_uid, "paid", CHANGED)


async def strangers_change_nothing(relay: Relay) -> None:
    """A sender who may be anybody makes the relay look, and its notification says why nothing else came of it."""
    imp_uid = await bought(relay)
    async with relay.open_receiver() as unverified:
        assert (await unverified.post("/webhooks", json=body(imp_uid))).status_code == 200
        await relay.until_recorded(imp_uid, "paid")
        assert (await unverified.post("/webhooks", json=body(imp_uid))).status_code == 200
        rows = await noted(relay, imp_uid)

    assert [(row["outcome"], row["reason"]) for row in rows] == [
        ("applied", escrow.UNVERIFIED), ("rejected", escrow.UNVERIFIED),
    ]  # fmt: skip
    assert rows[0]["extra"]["extra"]["escrow_status"] == "4"
    await relay.until_recorded(imp_uid, "paid")


async def a_payment_that_is_not_escrow(relay: Relay) -> None:
    """Where i'mport shows no escrow payment even a verified change is not believed, and the reason is shown."""
    imp_uid = await bought(relay, escrow=False)
    await relay.webhook(imp_uid)
    await relay.until_recorded(imp_uid, "paid")
    await relay.intake.post("/webhooks", json=body(imp_uid))

    rows = await noted(relay, imp_uid)
    assert [(row["outcome"], row["reason"]) for row in rows] == [("applied", None), ("rejected", escrow.NOT_ESCROW)]
    await relay.until_recorded(imp_uid, "paid")


async def an_event_nobody_knows(relay: Relay) -> None:
    """It is accepted, causes a look, and its content is shown; no escrow change comes of another gateway's."""
    imp_uid = await bought(relay)
    claim = {**body(imp_uid), "event": "Kcp.Escrow.Changed", "status": "delivered", "more": [1, {"a": None}]}

    assert (await relay.intake.post("/webhooks", json=claim)).status_code == 200

    await relay.until_recorded(imp_uid, "paid")
    (row,) = await noted(relay, imp_uid)
    assert (row["outcome"], row["status"], row["reason"]) == ("applied", "delivered", None)
    assert row["extra"] == {name: claim[name] for name in ("event", "extra", "more")}


async def a_reason_as_long_as_a_body_may_be(relay: Relay) -> None:
    """What does not fit into 4 KiB is cut; the change is told all the same."""
    imp_uid = await bought(relay)
    await relay.intake.post("/webhooks", json=body(imp_uid, denied_reason="가" * 10_000))

    _, event = await relay.until_recorded(imp_uid, "paid", CHANGED)
    assert event["data"]["detail"]["escrow"]["denied_reason"].endswith("가…")
    (row,) = await noted(relay, imp_uid)
    assert row["extra"]["extra"]["denied_reason"].endswith("가…")


STORIES = (
    a_change_reaches_subscribers_once,
    changes_in_any_order_are_all_told,
    a_change_before_i_mport_knows_the_payment,
    strangers_change_nothing,
    a_payment_that_is_not_escrow,
    an_event_nobody_knows,
    a_reason_as_long_as_a_body_may_be,
)
tasks = side_by_side(STORIES)


@pytest.mark.parametrize("name", [story.__name__ for story in STORIES])
async def test_a_story(tasks: dict[str, asyncio.Task[None]], name: str) -> None:
    """What the story of this name claims holds."""
    await tasks[name]
