"""Redis comes back with less than it had: history and i'mport have the rest, and every event has the id it had."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from ledger.reconciliations import Reconciliation
from schemas import wire
from tests.chaos.house import House
from tests.support.histories import until_recorded
from tests.support.ledger_driver import Driver
from tests.support.ledger_redis import redis_of
from tests.support.processes import Processes
from tests.support.redis_process import RedisServer
from tests.support.waiting import PATIENCE, until

Known = dict[tuple[str, str], str]
"""imp_uid and which of its facts, by type and cancellation -> event id."""


async def busy(house: House, seconds: float) -> None:
    """Some load, and its end."""
    load = house.load(20)
    posting = asyncio.create_task(load.run())
    await asyncio.sleep(seconds)
    load.stop()
    await posting
    await house.settled(PATIENCE)


async def events(house: House) -> Known:
    """Every event that is recorded."""
    known: Known = {}
    for identity in await Driver(house.ledger).ids("evt"):
        event = wire.loads((await house.ledger.events.get(identity)).body)
        cancellation = (event["data"]["detail"].get("cancellation") or {}).get("id")
        known[event["data"]["imp_uid"], f"{event['type']} {cancellation}"] = event["id"]
    return known


async def reconcile(house: House) -> None:
    """What `relay reconcile` does: compare everything, silently, and wait until it is done."""
    now = int(time.time())
    since, before = now - 86_400, now + 3600
    run = Reconciliation("rec_test", "default", since, before, window=(since, before, 1))
    await house.ledger.reconciliations.begin(run)

    async def done() -> bool:
        return (await house.ledger.reconciliations.get(run.id)).state == "done"

    await until(done, "the reconciliation is done")
    await house.settled(PATIENCE)


async def test_an_emptied_ledger_is_put_back(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], seed: int
) -> None:
    """Redis lost everything under load: `relay restore` puts back every event, and what was spooled meanwhile is
    announced; nothing twice, nothing not at all."""
    async with House(processes, own_redis, free_port, seed, {}) as house:
        await busy(house, 3)
        await until_recorded(house.ledger)
        before, sent = await events(house), sum(house.subscriber.taken.values())
        await redis_of(house.ledger).flushdb()
        load = house.load(15)
        posting = asyncio.create_task(load.run())
        await asyncio.sleep(2)
        await house.restore()
        assert before.items() <= (await events(house)).items()
        load.stop()
        await posting
        await house.settled(PATIENCE)
        after = await events(house)
        assert before.items() <= after.items()
        assert len(after) > len(before)
        # Both endpoints get each event once.
        assert sum(house.subscriber.taken.values()) - sent == 2 * (len(after) - len(before))


async def test_an_old_backup_gets_the_same_ids_again(
    processes: Processes, free_port: Callable[[], int], tmp_path: Path, seed: int
) -> None:
    """Redis is restored as it was a while ago: what it forgot is recorded under the ids it had, and not sent again."""
    folder = tmp_path / "redis"
    server = RedisServer(free_port(), folder)
    server.start()
    try:
        async with House(processes, server, free_port, seed, {}) as house:
            await busy(house, 2)
            await asyncio.to_thread(server.stop)
            shutil.copytree(folder, tmp_path / "backup")
            await asyncio.to_thread(server.start)
            await busy(house, 2)
            before, sent = await events(house), sum(house.subscriber.taken.values())
            await asyncio.to_thread(server.kill)
            shutil.rmtree(folder)
            shutil.copytree(tmp_path / "backup", folder)
            await asyncio.to_thread(server.start)
            assert len(await events(house)) < len(before)
            await reconcile(house)
            assert await events(house) == before
            assert sum(house.subscriber.taken.values()) == sent
    finally:
        server.kill()
