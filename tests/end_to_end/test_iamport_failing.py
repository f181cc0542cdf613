"""i'mport failing: it is not hammered, operators see it, nothing is lost, and all is caught up when it is back."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import pytest

from tests.support.relay import Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay()

_numbers = itertools.count(1)


async def announced(relay: Relay, count: int, merchant: str = "default", **fields: Any) -> list[str]:
    """So many new payments that are paid, each with a webhook; their imp_uids."""
    imp_uids = [f"imp_t{next(_numbers):04}" for _ in range(count)]
    for imp_uid in imp_uids:
        await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()), amount=1004, **fields)
    path = "/webhooks" if merchant == "default" else f"/webhooks/{merchant}"
    answers = await asyncio.gather(*(relay.webhook(imp_uid, path=path) for imp_uid in imp_uids))
    assert {answer.status_code for answer in answers} == {200}
    return imp_uids


async def until_all_paid(relay: Relay, imp_uids: list[str], merchant: str = "default") -> None:
    """Wait until each of these is paid here, by one event."""

    async def paid() -> list[str]:
        answer = await relay.api.get("/v1/events", params={"merchant": merchant, "type": "payment.paid", "limit": 200})
        return [event["data"]["imp_uid"] for event in answer.json()["data"]]

    async def all_paid() -> bool:
        return set(imp_uids) <= set(await paid())

    await relay.until(all_paid, "all are paid")
    assert sorted(imp_uids) == sorted(imp_uid for imp_uid in await paid() if imp_uid in set(imp_uids))


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503, "html": True},
        {"html": True},
        {"code": -1, "message": "점검중입니다"},
        {"status": 429, "retry_after": 1},
        {"revoked": True},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
async def test_everything_waits_and_is_caught_up(relay: Relay, fault: dict[str, Any]) -> None:
    """Operators see the trouble, i'mport is probed with one payment now and then, and all are announced afterwards."""
    await relay.faults(**fault)
    await relay.forget_requests()
    imp_uids = await announced(relay, 30)

    await relay.until(lambda: relay.trouble("default"), "the trouble is seen")
    await asyncio.sleep(1)  # it may not be asked again and again meanwhile

    asked = (await relay.sandbox.get("/_sandbox/requests")).json()["requests"]
    assert len(asked) <= 40
    assert [await relay.event_types(imp_uid) for imp_uid in imp_uids[:3]] == [[], [], []]
    await relay.faults()
    await until_all_paid(relay, imp_uids)
    await relay.until(lambda: _no_trouble(relay), "the trouble is over")
    await relay.until_idle()


async def test_a_hanging_i_mport(relay: Relay) -> None:
    """A look-up without an answer ends after ten seconds, and the next one succeeds."""
    await relay.forget_requests()
    await relay.faults(timeout=True, paths=["/payments"], times=1)

    imp_uids = await announced(relay, 3)

    await until_all_paid(relay, imp_uids)
    await relay.faults()
    hung, *others = await relay.asked("/payments")
    assert set(hung["imp_uids"]) <= {imp_uid for row in others for imp_uid in row["imp_uids"]}


async def test_a_slow_i_mport(relay: Relay) -> None:
    """Slow answers count: look-ups wait for them and no second one is made meanwhile."""
    await relay.forget_requests()
    await relay.faults(slow=2, paths=["/payments"])

    imp_uids = await announced(relay, 3)
    await until_all_paid(relay, imp_uids)

    await relay.faults()
    assert len(await relay.asked("/payments")) <= 2
    assert await relay.trouble("default") is None


async def test_an_expired_token(relay: Relay) -> None:
    """A token that expires between two look-ups is replaced once for all, and costs no payment a retry."""
    await until_all_paid(relay, await announced(relay, 1))
    await relay.forget_requests()
    await relay.faults(expired_token=True)

    imp_uids = await announced(relay, 50)
    await until_all_paid(relay, imp_uids)

    assert len(await relay.asked("/users/getToken")) == 1
    assert await relay.trouble("default") is None


@pytest.mark.parametrize(
    ("poison", "count"),
    [("row", 1), ("nameless", 3), ("other", 3), ("twice", 3), ("error", 1), ("error", 3), ("refused", 3)],
)
async def test_poisonous_payments_hold_back_nobody(relay: Relay, poison: str, count: int) -> None:
    """Of a hundred payments the good ones are announced at once, the bad ones when i'mport works again."""
    name = f"{poison}-{count}"
    bad = [f"imp_bad_{poison}_{number}" for number in range(count)]
    await relay.merchant(name)
    for imp_uid in bad:
        await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()), amount=1)
    await relay.faults(poison=dict.fromkeys(bad, poison))
    await relay.forget_requests()
    posted = asyncio.gather(*(relay.webhook(imp_uid, path=f"/webhooks/{name}") for imp_uid in bad))
    good = await announced(relay, 100 - count, name)
    await posted

    await until_all_paid(relay, good, name)

    assert [await relay.event_types(imp_uid, name) for imp_uid in bad] == [[]] * count
    await relay.faults()
    await until_all_paid(relay, bad, name)
    await relay.until(lambda: _no_trouble(relay, name), "the trouble is over")


async def test_one_merchants_trouble_is_nobody_elses(relay: Relay) -> None:
    """Wrong credentials stop their own merchant and say so; others go on; right ones make up for it within seconds."""
    await relay.merchant("well")
    await relay.merchant("wrong")
    keys = {"imp_key": "nobody", "imp_secret": "knows"}
    assert (await relay.api.put("/v1/merchants/wrong", json=keys)).status_code == 200
    waiting = await announced(relay, 5, "wrong")
    trouble = await relay.until(lambda: relay.trouble("wrong"), "the trouble is seen")
    await asyncio.sleep(2)  # its trouble may not spread meanwhile

    await until_all_paid(relay, await announced(relay, 5, "well"), "well")

    assert "imp_secret" in trouble
    assert "knows" not in trouble
    assert await relay.trouble("well") is None
    await relay.merchant("wrong")
    await until_all_paid(relay, waiting, "wrong")
    assert await relay.trouble("wrong") is None


async def test_new_credentials_are_tried_at_once(relay: Relay) -> None:
    """Whoever sets a merchant's credentials does not wait until i'mport's Retry-After is over."""
    await relay.merchant("patient")
    await relay.faults(status=429, retry_after=120)
    waiting = await announced(relay, 2, "patient")
    await relay.until(lambda: relay.trouble("patient"), "the trouble is seen")
    await relay.faults()

    await relay.merchant("patient")

    await until_all_paid(relay, waiting, "patient")


async def test_a_payment_that_i_mport_forgets_for_a_while(relay: Relay) -> None:
    """A payment that was seen once is never rejected: a 404 for it is i'mport failing, and it is asked again."""
    imp_uid, *_ = await announced(relay, 1)
    await until_all_paid(relay, [imp_uid])
    await relay.payment_at_iamport(imp_uid=imp_uid, imp_key="somebody-else")
    await relay.forget_requests()
    await relay.webhook(imp_uid, status="cancelled")

    async def asked_often() -> bool:
        asked = [row for row in await relay.asked("/payments") if imp_uid in row["imp_uids"]]
        return len(asked) > len(relay.environ["RELAY_UNKNOWN_SCHEDULE"].split(",")) + 1

    await relay.until(asked_often, "it has got more 404 than reject an unknown one")
    pending = await relay.api.get("/v1/notifications", params={"imp_uid": imp_uid, "outcome": "pending"})
    assert len(pending.json()["data"]) == 1

    at = int(time.time())
    await relay.payment_at_iamport(
        imp_uid=imp_uid, imp_key="key", status="cancelled", cancel_amount=1004, cancelled_at=at
    )

    await relay.until_recorded(imp_uid, "paid", "cancelled")


async def test_a_hundred_and_fifty_webhooks_are_a_handful_of_looks(relay: Relay) -> None:
    """However many come at once, i'mport is asked a few times, for at most a hundred payments each."""
    imp_uids = [f"imp_many{number}" for number in range(150)]
    for imp_uid in imp_uids:
        await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()), amount=1004)
    await relay.until_idle()
    await relay.forget_requests()

    answers = await asyncio.gather(*(_post_at_once(relay, imp_uid) for imp_uid in imp_uids))

    assert {answer.split(b" ")[1] for answer in answers} == {b"200"}
    await until_all_paid(relay, imp_uids)
    asked = await relay.asked("/payments")
    assert len(asked) <= 10
    assert max(len(row["imp_uids"]) for row in asked) <= 100
    assert len(await relay.asked("/users/getToken")) <= 1


async def _post_at_once(relay: Relay, imp_uid: str) -> bytes:
    """A webhook over a bare connection: a client with a pool would spread so many over a second."""
    body = f'{{"imp_uid":"{imp_uid}","merchant_uid":"order","status":"paid"}}'
    reader, writer = await asyncio.open_connection(relay.intake.base_url.host, relay.intake.base_url.port)
    head = (
        f"POST /webhooks HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    )
    writer.write(f"{head}connection: close\r\n\r\n{body}".encode())
    answer = await reader.read()
    writer.close()
    return answer


async def _no_trouble(relay: Relay, merchant: str = "default") -> bool:
    return await relay.trouble(merchant) is None
