"""What must be on a replica, and is not: it does not count, and work that it began is not forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
import redis.asyncio
from cryptography.fernet import Fernet

from ledger import Ledger
from ledger.idempotency import Idempotency
from ledger.jobs import RECONCILE
from ledger.reconciliations import Difference, Reconciliation
from runtime.encryption import Sealer
from schemas.endpoints.replay_selection import Selection
from schemas.errors import LedgerUnavailable
from tests.support import stored_payments
from tests.support.ledger_driver import TEST_BODY, Driver, Taker, endpoint, notification, paid, queue_url
from tests.support.ledger_redis import redis_of
from tests.support.reasons import because
from tests.support.redis_process import RedisServer
from tests.support.waiting import until

Write = Callable[[Ledger], Awaitable[object]]
RUN = Reconciliation("rec_1", "default", 0, 1)
KEY = Fernet.generate_key().decode()


@pytest.fixture
async def alone(redis_url: str) -> AsyncIterator[Driver]:
    """A ledger that wants one replica, where there is none."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url), replica_acks=1)
    yield Driver(ledger)
    await ledger.close()


@pytest.fixture
async def replica(own_redis: RedisServer, free_port: Callable[[], int], tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A replica of a Redis of the test's own, which has caught up with it."""
    server = RedisServer(free_port(), tmp_path / "replica", "--replicaof", "127.0.0.1", str(own_redis.port))
    async with redis.asyncio.Redis.from_url(own_redis.url) as primary:
        await primary.config_set("repl-diskless-sync-delay", 0)
        try:
            await asyncio.to_thread(server.start)

            async def is_online() -> bool:
                return bool((await primary.info("replication")).get("slave0", {}).get("state") == "online")

            await until(is_online, "the replica catches up", every=0.05)
            yield server
        finally:
            server.kill()


async def sent(driver: Driver) -> int:
    """How many kicks have been sent to the workers of payments."""
    for task in list(driver.ledger.queue._sending):
        await task
    broker = driver.ledger.queue.broker
    return len(broker.client.lrange("relay:refresh", 0, -1)) + len(broker.client.lrange("relay:deliver", 0, -1))


WRITES: Sequence[Write] = (
    lambda ledger: ledger.intake.accept(notification()),
    lambda ledger: ledger.refresh_lane.mark_dirty("default", "imp_1"),
    lambda ledger: ledger.merchants.put("shop", imp_key="k", imp_secret="s"),
    lambda ledger: ledger.merchants.delete("default"),
    lambda ledger: ledger.endpoints.create(endpoint("ep_2")),
    lambda ledger: ledger.endpoints.update("ep_3", lambda before: before),
    lambda ledger: ledger.endpoints.enable("ep_1"),
    lambda ledger: ledger.endpoints.disable("ep_1", because("by hand")),
    lambda ledger: ledger.endpoints.delete("ep_1"),
    lambda ledger: ledger.payments.expect("default", "order", Decimal(1000), None),
    lambda ledger: ledger.deliveries.retry("evt_1.ep_1"),
    lambda ledger: ledger.deliveries.send_test("ep_1", "evt_1", TEST_BODY),
    lambda ledger: ledger.replays.create(Selection(), 1.0, {}),
    lambda ledger: ledger.jobs.schedule(RECONCILE, "rec_1"),
    lambda ledger: ledger.reconciliations.begin(RUN, rebuild=True),
    lambda ledger: ledger.reconciliations.save(RUN),
    lambda ledger: ledger.reconciliations.mark_found(RUN, {"imp_1": Difference()}),
    lambda ledger: Idempotency(ledger.cells.shared).end("name", "owner", "answer"),
    lambda ledger: ledger.begin(Sealer([KEY])),
)


async def test_writes_that_no_replica_has_do_not_count(ledger: Ledger, driver: Driver, alone: Driver) -> None:
    """Webhooks and operators' writes are refused where too few replicas have them, each and every one."""
    await driver.subscribe()
    await driver.subscribe("ep_3")
    replay = await ledger.replays.create(Selection(), 1.0, {})
    writes: Sequence[Write] = (*WRITES, lambda ledger: ledger.replays.stop(replay.id))
    answers = await asyncio.gather(*(write(alone.ledger) for write in writes), return_exceptions=True)
    assert [
        (place, repr(answer)) for place, answer in enumerate(answers) if not isinstance(answer, LedgerUnavailable)
    ] == []


async def test_a_replica_says_no_to_no_merchant(own_redis: RedisServer, replica: RedisServer) -> None:
    """It may lag behind, as after a failover that its clients have not seen: a webhook is not refused on its word."""
    ledger = Ledger.connect(replica.url, queue_url(own_redis.url))
    try:
        assert await ledger.intake.takes_webhooks("default", None)
        for refused in (
            ledger.intake.takes_webhooks("brand-new", None),
            ledger.intake.accept(notification(merchant="brand-new")),
        ):
            with pytest.raises(LedgerUnavailable):
                await refused
    finally:
        await ledger.close()


async def test_what_a_replica_has_counts(own_redis: RedisServer, replica: RedisServer) -> None:
    """It is asked for behind the write: a replica that stands still has not got it, though it is connected."""
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url), replica_acks=1)
    for number in range(5):
        await ledger.intake.accept(notification(f"imp_{number}"))
    async with redis.asyncio.Redis.from_url(replica.url) as client:
        assert len(await stored_payments.waiting(client)) == 5
    await _caught_up(ledger)
    replica.pause()
    try:
        with pytest.raises(LedgerUnavailable, match="1 replica"):
            await ledger.cells[0].run("ensure_merchant", "shop", 0, durable=True)
        with pytest.raises(LedgerUnavailable):
            await ledger.intake.accept(notification())
    finally:
        replica.resume()
    await ledger.intake.accept(notification())
    await ledger.close()


async def _caught_up(ledger: Ledger) -> None:
    """Wait until the primary knows that its replica has everything: what is asked for now is there."""

    async def has_everything() -> bool:
        found = await redis_of(ledger).info("replication")
        return bool(found["slave0"]["offset"] == found["master_repl_offset"])

    await until(has_everything, "the replica catches up", every=0.05)


async def test_what_such_a_commit_has_claimed_is_sent(driver: Driver, alone: Driver) -> None:
    """As are the kicks of one that claims nothing: nobody else would take it up before its leases end."""
    taker = Taker(100)
    taker.take_from(alone.ledger)
    lane = await driver.subscribe()
    await driver.accept()
    with pytest.raises(LedgerUnavailable):
        await alone.commit(await alone.claim_one(), paid())
    (claimed,) = taker.taken()
    assert claimed.lane == lane
    assert [await driver.settle(one) for one in claimed.deliveries] == ["ok"]


async def test_a_commit_that_no_replica_has_does_not_count(ledger: Ledger, driver: Driver, alone: Driver) -> None:
    """Nor does what a look found."""
    await driver.accept()
    claimed = await alone.claim_one()
    with pytest.raises(LedgerUnavailable):
        await alone.commit(claimed, paid())


async def test_what_it_began_is_told_all_the_same(ledger: Ledger, driver: Driver, alone: Driver) -> None:
    """A lane that counts as kicked is kicked: its work does not wait until the flag expires."""
    await driver.subscribe()
    before = await sent(alone)
    with pytest.raises(LedgerUnavailable):
        await alone.ledger.intake.accept(notification())
    claimed = await alone.claim_one()
    with pytest.raises(LedgerUnavailable):
        await alone.commit(claimed, paid())
    with pytest.raises(LedgerUnavailable):
        await alone.ledger.refresh_lane.mark_dirty("default", "imp_2")
    assert await sent(alone) == before + 3
