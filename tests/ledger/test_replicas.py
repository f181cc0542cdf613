"""What must be on a replica, and is not: it does not count, and work that it began is not forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ledger import Ledger
from schemas.errors import LedgerUnavailable
from tests.ledger.driving import Driver, endpoint, notification, paid, queue_url

Write = Callable[[Ledger], Awaitable[object]]


@pytest.fixture
async def alone(redis_url: str) -> AsyncIterator[Driver]:
    """A ledger that wants one replica, where there is none."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url), replica_acks=1)
    yield Driver(ledger)
    await ledger.close()


async def sent(driver: Driver) -> int:
    """How many kicks have been sent to the workers of payments."""
    for task in list(driver.ledger.queue._sending):
        await task
    broker = driver.ledger.queue.broker
    return len(broker.client.lrange("relay:refresh", 0, -1)) + len(broker.client.lrange("relay:deliver", 0, -1))


@pytest.mark.parametrize(
    "write",
    [
        lambda ledger: ledger.accept(notification()),
        lambda ledger: ledger.refreshing.mark_dirty("default", "imp_1"),
        lambda ledger: ledger.merchants.put("shop", imp_key="k", imp_secret="s"),
        lambda ledger: ledger.merchants.delete("default"),
        lambda ledger: ledger.endpoints.create(endpoint("ep_2")),
        lambda ledger: ledger.endpoints.update("ep_1", lambda before: before),
        lambda ledger: ledger.endpoints.enable("ep_1"),
        lambda ledger: ledger.endpoints.disable("ep_1", "by hand"),
        lambda ledger: ledger.endpoints.delete("ep_1"),
    ],
)
async def test_a_write_that_no_replica_has_does_not_count(
    ledger: Ledger, driver: Driver, alone: Driver, write: Write
) -> None:
    """Webhooks and operators' writes are refused where too few replicas have them."""
    await driver.subscribe()
    with pytest.raises(LedgerUnavailable):
        await write(alone.ledger)


async def test_a_commit_that_no_replica_has_does_not_count(ledger: Ledger, driver: Driver, alone: Driver) -> None:
    """Nor does what a look found."""
    await driver.accept()
    claimed = await alone.claim_one()
    with pytest.raises(LedgerUnavailable):
        await alone.commit(claimed, paid())


async def test_what_it_began_is_told_all_the_same(ledger: Ledger, driver: Driver, alone: Driver) -> None:
    """A lane that counts as told of is told: its work does not wait until that is forgotten."""
    await driver.subscribe()
    before = await sent(alone)
    with pytest.raises(LedgerUnavailable):
        await alone.ledger.accept(notification())
    claimed = await alone.claim_one()
    with pytest.raises(LedgerUnavailable):
        await alone.commit(claimed, paid())
    assert await sent(alone) == before + 2
