"""Sentinels say who the primary is: whoever is connected follows by itself, however the last one went."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import redis

from ledger import Ledger
from schemas.errors import LedgerUnavailable
from schemas.payments.notification import Notification
from tests.support.ledger_driver import REFRESH, notification
from tests.support.sentinels import SERVICE, Watched
from tests.support.waiting import succeeds


@pytest.fixture
async def connected(watched: Watched, free_port: Callable[[], int]) -> AsyncIterator[Callable[[int], Ledger]]:
    """Connects to the ledger behind them, asking for so many replicas; the first Sentinel it knows of is away."""
    url = watched.url.replace("://", f"://127.0.0.1:{free_port()},")
    made: list[Ledger] = []

    def connect(replica_acks: int) -> Ledger:
        made.append(Ledger.connect(url, url.removesuffix("/0") + "/1", replica_acks=replica_acks))
        return made[-1]

    yield connect
    for ledger in made:
        await ledger.close()


async def accepted(ledger: Ledger, one: Notification) -> None:
    """Accept it as a receiver does that tries again, until it is."""
    await succeeds(lambda: ledger.intake.accept(one), LedgerUnavailable, what="the new primary is found")


def found_at(port: int) -> tuple[str, int, int]:
    """What a server is, how many notifications wait there, and how many kicks."""
    with redis.Redis(port=port, decode_responses=True) as client, redis.Redis(port=port, db=1) as queue:
        waiting = len(list(client.scan_iter("{relay:00}:pay:*", count=1000)))
        return str(client.info("replication")["role"]), waiting, queue.llen("relay:refresh")


async def test_a_primary_that_dies_is_followed_by_its_replica(
    watched: Watched, connected: Callable[[int], Ledger]
) -> None:
    """What was acknowledged is there, new webhooks go to the new primary, and so do the kicks."""
    ledger = connected(1)
    await asyncio.gather(*(accepted(ledger, notification(f"imp_{n}")) for n in range(20)))
    before = watched.primary
    await watched.fail_over()
    assert watched.primary != before
    await accepted(ledger, notification("imp_20"))
    ledger.queue.kick_all([REFRESH.address])
    await asyncio.gather(*ledger.queue._sending)
    role, notifications, kicks = await asyncio.to_thread(found_at, watched.primary)
    assert (role, notifications) == ("master", 21)
    assert kicks >= 1


async def test_a_primary_that_is_one_no_more_is_left(watched: Watched, connected: Callable[[int], Ledger]) -> None:
    """It lives on as a replica and connections to it stay open: what it refuses to write finds the new one."""
    ledger = connected(0)
    await asyncio.gather(*(accepted(ledger, notification(f"imp_{n}")) for n in range(20)))
    before = watched.primary
    await asyncio.to_thread(_hand_over, watched)
    await watched._until(lambda: found_at(before)[0] == "slave", "the old primary follows the new one")
    await accepted(ledger, notification("imp_20"))
    assert (await asyncio.to_thread(found_at, watched._primary()))[:2] == ("master", 21)


async def test_a_primary_that_hangs_is_left(watched: Watched, connected: Callable[[int], Ledger]) -> None:
    """Nobody waits for it longer than for an answer, and when it is back nothing is written to it."""
    ledger = connected(0)
    await accepted(ledger, notification("imp_0"))
    before = watched.primary
    watched.servers[before].pause()
    with pytest.raises(LedgerUnavailable, match="in time"):
        await ledger.intake.accept(notification("imp_1"))
    await accepted(ledger, notification("imp_2"))
    assert watched._primary() != before
    watched.servers[before].resume()
    await accepted(ledger, notification("imp_3"))
    assert (await asyncio.to_thread(found_at, watched._primary()))[:2] == ("master", 3)


def _hand_over(watched: Watched) -> None:
    port = int(watched.url.split("/")[2].split(",")[0].rpartition(":")[2])
    with redis.Redis(port=port, socket_timeout=5) as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE)
