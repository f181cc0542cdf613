"""Two workers, killed workers, duplicates and disorder: one event for each fact, and sequences without a gap."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from tests.support.relay import Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay()


async def all_events(relay: Relay, merchant: str) -> dict[str, list[dict[str, Any]]]:
    """Every event of a merchant by payment, each payment's in its sequence."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in await relay.list_all("/v1/events", merchant=merchant):
        found.setdefault(event["data"]["imp_uid"], []).append(event)
    return {name: sorted(events, key=lambda event: int(event["data"]["sequence"])) for name, events in found.items()}


async def deposited(relay: Relay, imp_uid: str, count: int) -> None:
    """So many deposits into a fixed account, as i'mport shows them."""
    now = int(time.time())
    rows = [
        {"pg_tid": f"{imp_uid}-{number}", "amount": 100 + number, "deposited_at": now - 100 + number}
        for number in range(count)
    ]
    await relay.payment_at_iamport(
        imp_uid=imp_uid,
        pay_method="vbank",
        vbank_num="42",
        vbank_issued_at=now - 200,
        amount=0,
        status="paid" if rows else "ready",
        paid_at=now - 100 if rows else 0,
        deposit_history=rows,
    )


async def test_workers_killed_under_load(relay: Relay) -> None:
    """While workers are killed and others take over, each fact becomes one event and is heard at least once."""
    await relay.merchant("load")
    heard = await relay.subscribe("load")
    rng, imp_uids = random.Random(7), [f"imp_k{number}" for number in range(60)]
    others = [relay.start_worker()]

    async def live(imp_uid: str) -> None:
        for count in range(4):
            await deposited(relay, imp_uid, count)
            for _ in range(rng.randint(1, 3)):
                await relay.webhook(imp_uid, path="/webhooks/load")
            await asyncio.sleep(rng.uniform(0.2, 1.2))

    async def kill() -> None:
        for _ in range(2):
            await asyncio.sleep(rng.uniform(0.8, 1.6))
            await others.pop().kill()
            others.append(relay.start_worker())

    await asyncio.gather(kill(), *(live(imp_uid) for imp_uid in imp_uids))
    expected = ["virtual_account_issued", "paid", "deposited", "deposited"]

    async def complete() -> bool:
        events = await all_events(relay, "load")
        return all(len(events.get(imp_uid, [])) >= len(expected) for imp_uid in imp_uids)

    await relay.until(complete, "all is recorded", within=60)
    await relay.until_idle("load")
    events = await all_events(relay, "load")
    for imp_uid in imp_uids:
        told = [event["type"].removeprefix("payment.") for event in events[imp_uid]]
        assert told == expected
        assert [event["data"]["sequence"] for event in events[imp_uid]] == [1, 2, 3, 4]
    ids = [event["id"] for rows in events.values() for event in rows]
    assert len(set(ids)) == len(ids)
    await relay.until(lambda: {event["id"] for event in heard.events} == set(ids), "all are heard", within=60)
    for imp_uid in imp_uids:
        first_heard = list(dict.fromkeys(e["id"] for e in heard.events if e["data"]["imp_uid"] == imp_uid))
        assert first_heard == [event["id"] for event in events[imp_uid]]
    for worker in others:
        assert await worker.terminate() == 0


async def test_looks_that_race(relay: Relay) -> None:
    """Refreshes, webhooks and a cancellation of one payment at the same time tell each thing once."""
    imp_uid = "imp_racy"
    await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()), amount=1004)

    async def look() -> None:
        await relay.webhook(imp_uid)
        await relay.api.post(f"/v1/payments/{imp_uid}/refresh")

    await asyncio.gather(*(look() for _ in range(10)))
    answers = await asyncio.gather(
        *(relay.api.post(f"/v1/payments/{imp_uid}/cancellations", json={"amount": 10}) for _ in range(5)),
        *(look() for _ in range(5)),
    )
    await relay.until_idle()

    sent = [answer for answer in answers if answer is not None and answer.status_code == 200]
    refused = [answer for answer in answers if answer is not None and answer.status_code == 409]
    assert len(sent) + len(refused) == 5
    assert sent
    await relay.until_recorded(imp_uid, "paid", *["partially_cancelled"] * len(sent))
    assert (await relay.payment(imp_uid))["cancelled_amount"] == 10 * len(sent)


async def test_an_old_answer_that_arrives_late(relay: Relay) -> None:
    """A look that took long and shows the past adds nothing and takes nothing back."""
    imp_uid = "imp_stale"
    await relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=int(time.time()), amount=1004)
    await relay.webhook(imp_uid)
    await relay.until_recorded(imp_uid, "paid")
    await relay.faults(after=True, slow=1.5, paths=["/payments"], times=1)
    await relay.forget_requests()
    await relay.webhook(imp_uid)
    await relay.until(lambda: relay.asked("/payments"), "the slow look is under way")
    at = int(time.time())
    entry = {"cancellation_id": "c_stale", "amount": 4, "cancelled_at": at}
    await relay.payment_at_iamport(imp_uid=imp_uid, cancel_amount=4, cancelled_at=at, cancel_history=[entry])

    await relay.webhook(imp_uid, status="cancelled", cancellation_id="c_stale")

    await relay.until_recorded(imp_uid, "paid", "partially_cancelled")
    await relay.faults()
    payment = await relay.until_status(imp_uid, "partially_cancelled")
    assert payment["payment"]["cancel_amount"] == 4
