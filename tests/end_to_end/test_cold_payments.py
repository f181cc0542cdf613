"""Payments that have left Redis while history is away: those that may have left wait for it, new ones do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.support import postgres
from tests.support.ledger_state import ledger_state
from tests.support.postgres import Postgres
from tests.support.relay_fixtures import StartRelay


@pytest.fixture
def server(free_port: Callable[[], int]) -> Iterator[Postgres]:
    """A PostgreSQL of this test's own."""
    with postgres.installed(free_port) as server:
        yield server


async def test_history_is_away_while_a_cold_payment_is_refreshed(start_relay: StartRelay, server: Postgres) -> None:
    """Its webhook waits and says why; a new payment is announced meanwhile, also by a worker that was killed. Then the
    old one is found, and nothing is announced twice."""
    relay = await start_relay(RELAY_HISTORY_URL=server.create("relay"), RELAY_LEDGER_RETENTION="4s")
    await relay.endpoint()
    old = await relay.paid(started_at=int(time.time()))
    await relay.until_received("paid", imp_uid=old)

    async def gone() -> bool:
        async with ledger_state(relay.environ["REDIS_URL"]) as state:
            return await state.naming(old) == []

    await relay.until(gone, "it has left")
    server.kill()
    assert (await relay.webhook(old)).status_code == 200

    async def waits() -> bool:
        async with ledger_state(relay.environ["REDIS_URL"]) as state:
            rows = [await state.notification(one) for one in await state.notifications()]
        return [row.get("outcome") for row in rows] == ["pending"] and "history_needed" in rows[0].get("trouble", "")

    await relay.until(waits, "it waits for history")
    now = int(time.time())
    new = {"imp_uid": "imp_new", "status": "paid", "amount": 1004, "paid_at": now + 2, "started_at": now + 2}
    await relay.payment_at_iamport(**new)
    await relay.webhook("imp_new")
    await relay.until_received("paid", imp_uid="imp_new")
    await relay.worker.kill()
    await relay.replace_worker()
    assert relay.subscriber.types(old) == ["paid"]

    server.start()
    await relay.until_idle()
    await relay.until_recorded(old, "paid")
    assert (await relay.payment(old))["sequence"] == 1
    assert relay.subscriber.types(old) == ["paid"]
    assert (await relay.cancel(old)).status_code in (200, 202)
    await relay.until_received("paid", "cancelled", imp_uid=old)


async def test_an_orders_expected_amount_outlives_its_payments(start_relay: StartRelay) -> None:
    """It leaves Redis with the last payment of its order; a later payment of that order is compared all the same."""
    relay = await start_relay(RELAY_LEDGER_RETENTION="4s")
    answer = await relay.api.put("/v1/orders/order", params={"merchant": "default"}, json={"amount": 1004})
    assert answer.status_code == 200
    first = await relay.paid(merchant_uid="order", started_at=int(time.time()))

    async def gone() -> bool:
        expected = await relay.ledger.refresh_lane.expected("default", ["order"])
        return (expected.amounts, expected.maybe_left) == ({}, ["order"])

    await relay.until(gone, "it has left")
    assert await relay.payment(first)
    second = (await relay.payment_at_iamport(
        imp_uid="imp_second", merchant_uid="order", status="paid", amount=500, paid_at=int(time.time())
    ))["imp_uid"]  # fmt: skip
    await relay.webhook(second)
    await relay.until_recorded(second, "paid", "amount_mismatch")
