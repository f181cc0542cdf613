"""Every row of the first table of `docs/facts.md`, played by the sandbox and told by the relay."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from tests.support.facts_table import TableRow, scenarios
from tests.support.relay import TOKEN, Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Nobody is trusted, but for rows that say so: what a webhook claims here is never more than a hint.
relay = shared_relay(RELAY_ALLOWED_IPS="", RELAY_EXPIRY_GRACE="1s")

ROWS = {row.name: row for row in scenarios()}
AFTER = {"deposited": "paid", "cancellation_rejected": "paid", "escrow_changed": "paid", "amount_mismatch": "paid"}
"""The status after an event whose type does not say it."""
CANCELLED: Mapping[str, tuple[str, ...]] = {
    "missed-webhooks": ("0", "1004"),
    "paymentwall-cancel": ("0", "0", "1004"),
    "paypal-cancel": ("0", "0", "20.00"),
    "smartro-refund": ("0", "0", "0", "1004"),
    "partial-cancel": ("0", "251"),
    "full-cancel-in-steps": ("0", "334", "668", "1004"),
    "taken-back": ("0", "1004"),
    "decimals": ("0", "7.05", "10.10"),
    "promotion": ("0", "10000"),
}
"""What was cancelled in all after each event; nothing where a row is missing."""

Played = Mapping[str, asyncio.Task[list[str]]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(relay: Relay) -> AsyncIterator[Played]:
    """All scenarios at once, each with the imp_uids of its payments once it is over."""
    await relay.endpoint()
    await relay.merchant("agency", tier="SUB")
    await relay.endpoint(merchant="agency")
    port = relay.free_port()
    trusting = relay.start_process("receiver", PORT=str(port), RELAY_ALLOWED_IPS="127.0.0.1")
    await trusting.ready(f"http://127.0.0.1:{port}/readyz")
    tasks = {row.name: asyncio.create_task(_play(relay, row, port)) for row in ROWS.values()}
    yield tasks
    for task in tasks.values():
        task.cancel()


async def _play(relay: Relay, row: TableRow, trusting: int) -> list[str]:
    """Play a row; ``trusting`` is the port of a receiver that takes everybody here for i'mport."""
    options: dict[str, Any] = {"speed": 4}
    if "verified" in row.needs:
        options["webhook_url"] = f"http://127.0.0.1:{trusting}/webhooks"
    if "relay" in row.needs:
        options["relay_api"] = {"url": relay.url("console"), "token": TOKEN}
    if "sub-merchant" in row.needs:
        options |= {"merchant": "agency", "imp_key": "key-agency"}
    if "expected" in row.needs:
        options["merchant_uid"] = f"order-{row.name}"
        answer = await relay.api.put(f"/v1/orders/order-{row.name}", json={"amount": 1004})
        assert answer.status_code == 200, answer.text
    imp_uids = await relay.play(row.name, **options)
    if "reject" in row.needs:
        pending = await relay.until_status(imp_uids[0], "cancellation_pending")
        path = f"/v1/payments/{imp_uids[0]}/cancellations/{pending['cancellations'][0]['id']}/reject"
        assert (await relay.api.post(path, json={"reason": "no ticket"})).status_code == 200
    if "reconcile" in row.needs:
        assert (await relay.api.post(f"/v1/payments/{imp_uids[0]}/refresh")).status_code == 200
    return imp_uids


@pytest.mark.parametrize("name", ROWS)
async def test_a_row(relay: Relay, played: Played, name: str) -> None:
    """The row's events are recorded and heard, in this order, each with status and sums as after it."""
    row, imp_uids = ROWS[name], await played[name]
    types = [event.removeprefix("payment.") for event in row.events]
    if not types:
        assert await asyncio.gather(*(relay.payment(imp_uid) for imp_uid in imp_uids)) == [{}] * len(imp_uids)
        return
    (imp_uid,) = imp_uids
    merchant = _merchant(row)

    events = await relay.until_recorded(imp_uid, *types, merchant=merchant)
    await relay.until_received(*types, imp_uid=imp_uid)

    statuses = [AFTER.get(kind, kind) for kind in types]
    assert statuses == [event["data"]["status"] for event in events]
    assert [None, *statuses[:-1]] == [event["data"]["previous_status"] for event in events]
    assert list(range(1, len(types) + 1)) == [event["data"]["sequence"] for event in events]
    sums = [Decimal(amount) for amount in CANCELLED.get(name, ["0"] * len(types))]
    assert sums == [event["data"]["cancelled_amount"] for event in events]
    payment = await relay.payment(imp_uid, merchant)
    assert (row.status, len(types)) == (payment["status"], payment["sequence"])
    facts = (await relay.ledger.refresh_lane.record(merchant, imp_uid)).facts
    assert len(row.facts) == len(facts)
    for pattern, key in zip(row.facts, facts, strict=True):
        assert re.fullmatch(re.sub(r"\{\w+\}", ".*", pattern), key)


async def test_nothing_else_is_told(relay: Relay, played: Played) -> None:
    """When all is over and every notification settled, nothing was heard but what the table says, each thing once."""
    imp_uids = {name: await task for name, task in played.items()}

    for merchant in ("default", "agency"):
        await relay.until_idle(merchant)

    await relay.until(lambda: _delivered(relay), "every delivery is settled")
    for name, row in ROWS.items():
        for imp_uid in imp_uids[name]:
            assert list(row.events) == [event["type"] for event in await relay.events(imp_uid, _merchant(row))]
            assert list(row.events) == [f"payment.{kind}" for kind in relay.subscriber.types(imp_uid)]
    assert sum(len(row.events) for row in ROWS.values()) == len(relay.subscriber.events)


async def test_what_i_mport_does_not_know_is_rejected(relay: Relay, played: Played) -> None:
    """The made-up payments of `forged` and `test-call` are no payments here; their notifications say why."""
    await asyncio.gather(*played.values())
    await relay.until_idle()

    for imp_uid in ("imp_000000000000", "imp_1234567890"):
        answer = await relay.api.get("/v1/notifications", params={"imp_uid": imp_uid})
        assert [row["outcome"] for row in answer.json()["data"]] == ["rejected"]
        assert answer.json()["data"][0]["reason"]
        assert await relay.payment(imp_uid) == {}


async def test_duplicates_are_one_news(relay: Relay, played: Played) -> None:
    """Of twenty identical webhooks those that the first look answered are applied, and the others unchanged."""
    (imp_uid,) = await played["duplicate"]
    await relay.until_idle()

    answer = await relay.api.get("/v1/notifications", params={"imp_uid": imp_uid})

    outcomes = [row["outcome"] for row in answer.json()["data"]]
    assert len(outcomes) == 20
    assert {"applied"} <= set(outcomes) <= {"applied", "unchanged"}


def _merchant(row: TableRow) -> str:
    return "agency" if "sub-merchant" in row.needs else "default"


async def _delivered(relay: Relay) -> bool:
    return bool((await relay.api.get("/v1/stats")).json()["deliveries"]["pending"] == 0)
