"""What leaves history, and that nothing of it comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from history.pages import PageRequest
from runtime.settings import Settings
from tests.support.histories import record_all
from tests.workers.merchant_workers import MerchantWorkers, running_merchant
from workers.retention import HistoryRetentionJob

LATER = 2_900_000_000


@pytest.fixture
async def workers(redis_url: str) -> AsyncIterator[MerchantWorkers]:
    """One merchant."""
    async with running_merchant(redis_url) as workers:
        yield workers


def job(workers: MerchantWorkers, retention: str) -> HistoryRetentionJob:
    """The job of a worker with this retention."""
    settings = Settings.load({"RELAY_RETENTION": retention})
    return HistoryRetentionJob(settings, workers.ledger, workers.history)


async def a_payment(workers: MerchantWorkers) -> None:
    """One that was paid, in ledger and history."""
    await workers.pay("imp_1", ago=3 * 86400)
    await workers.driver.accept("imp_1")
    await workers.look()
    await record_all(workers.ledger, workers.history)


async def recorded(workers: MerchantWorkers) -> list[str]:
    """The payments that history has."""
    return [row.imp_uid for row in (await workers.history.payments.list(PageRequest())).rows]


async def test_what_the_ledger_has_stays_in_history(workers: MerchantWorkers) -> None:
    """However old: what happens to it later would come back without what was before. It leaves once it is cold."""
    await a_payment(workers)
    old = job(workers, "1d")
    assert await old.step("retention", LATER) is not None
    assert await recorded(workers) == ["imp_1"]
    later = await workers.ledger.now() + 1
    while await workers.ledger.retention.tidy(older_than=later):
        pass
    await old.step("retention", LATER)
    assert await recorded(workers) == []
    await record_all(workers.ledger, workers.history)
    assert await recorded(workers) == []


async def test_for_ever(workers: MerchantWorkers) -> None:
    """A retention of 0 removes nothing, and the job ends."""
    await a_payment(workers)
    await workers.driver.tidy(await workers.ledger.now() + 1)
    assert await job(workers, "0s").step("retention", LATER) is None
    assert await recorded(workers) == ["imp_1"]


async def test_a_payment_that_left_is_not_missing_for_a_reconciliation(workers: MerchantWorkers) -> None:
    """Nobody lost its webhook: history says what is known of it."""
    await a_payment(workers)
    while await workers.driver.tidy(await workers.ledger.now() + 1):
        pass
    assert await workers.ledger.cold.missing([("default", "imp_1")]) == [("default", "imp_1")]
    run = await workers.reconcile()
    assert (run.compared, run.missing) == (1, 0)
    assert await workers.ledger.cold.missing([("default", "imp_1")]) == [("default", "imp_1")]
