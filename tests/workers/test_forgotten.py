"""Payments that neither the ledger nor history knows any more, as history was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.histories import record_all, sqlite_history
from tests.workers.merchant_workers import MerchantWorkers, running_merchant


@pytest.fixture
async def workers(redis_url: str) -> AsyncIterator[MerchantWorkers]:
    """One merchant, for long."""
    async with running_merchant(redis_url) as workers:
        await workers.put(since=1.0)
        yield workers


async def leave(workers: MerchantWorkers) -> None:
    """Have everything leave the ledger that may."""
    await record_all(workers.ledger, workers.history)
    while await workers.driver.tidy(await workers.ledger.now() + 1):
        pass


@pytest.fixture
async def forgotten(workers: MerchantWorkers) -> AsyncIterator[MerchantWorkers]:
    """A payment was announced and left the ledger; then history was lost."""
    await workers.pay("imp_1", ago=5 * 86400)
    await workers.driver.accept("imp_1")
    await workers.look()
    assert await workers.events("imp_1") == [("paid", False)]
    await leave(workers)
    async with sqlite_history() as another:
        await workers.ledger.outbox.rewrite("0-0")
        workers.use(another)
        yield workers


async def test_what_was_announced_is_not_announced_again(forgotten: MerchantWorkers) -> None:
    """An automatic reconciliation finds it at i'mport and records it under the same id, silently: subscribers are not
    flooded with what they have."""
    await forgotten.reconcile()
    assert await forgotten.events("imp_1") == [("paid", True)]


async def test_a_loss_that_is_not_noticed_yet_is_waited_for(workers: MerchantWorkers) -> None:
    """History was swapped a moment ago: that it does not know a payment means nothing."""
    await workers.pay("imp_1", ago=5 * 86400)
    await workers.driver.accept("imp_1")
    await workers.look()
    await leave(workers)
    async with sqlite_history() as another:
        workers.use(another)
        await workers.driver.accept("imp_1")
        await workers.look()
        assert await workers.events("imp_1") == []
        await workers.ledger.outbox.rewrite("0-0")
        await workers.driver.pass_time(60)
        await workers.look()
        assert await workers.events("imp_1") == [("paid", True)]


async def test_what_happened_since_is_announced(forgotten: MerchantWorkers) -> None:
    """A cancellation is news, though what was before is recorded silently."""
    rows = [{"cancellation_id": "c1", "amount": 1004, "cancelled_at": int(await forgotten.ledger.now()) + 90}]
    forgotten.shown["imp_1"] |= {"status": "cancelled", "cancel_amount": 1004, "cancel_history": rows}
    await forgotten.driver.accept("imp_1")
    await forgotten.look()
    assert await forgotten.events("imp_1") == [("paid", True), ("cancelled", False)]


async def test_a_new_payment_is_announced(forgotten: MerchantWorkers) -> None:
    """It began after all that have left had changed for the last time."""
    await forgotten.pay("imp_2", ago=-90)
    await forgotten.driver.accept("imp_2")
    await forgotten.look()
    assert await forgotten.events("imp_2") == [("paid", False)]


async def test_what_history_no_longer_keeps_is_not_announced_again(redis_url: str) -> None:
    """RELAY_RETENTION may be shorter than RELAY_LOOKBACK, which the daily reconciliation compares."""
    async with running_merchant(redis_url, RELAY_RETENTION="4d") as workers:
        await workers.put(since=1.0)
        await workers.pay("imp_1", ago=3 * 86400)
        await workers.driver.accept("imp_1")
        await workers.look()
        assert await workers.events("imp_1") == [("paid", False)]
        await leave(workers)
        while await workers.history.retention.step(await workers.ledger.now() + 1):
            pass
        workers.shown["imp_1"]["paid_at"] -= 2 * 86400  # two days later
        await workers.reconcile()
        assert await workers.events("imp_1") == [("paid", True)]
