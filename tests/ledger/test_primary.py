"""After which failures a Cluster is asked again who has the ledger, and after which it is not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import pytest
from redis.asyncio import Redis

from ledger.primary import Address, ClusterNodes, ClusterPrimary
from ledger.store import Store
from schemas.errors import LedgerUnavailable
from tests.support.redis_process import RedisServer

OLD, NEW = ("127.0.0.1", 1), ("127.0.0.1", 2)


class Asked:
    """Who has the ledger, as a Cluster says, one answer after the other, the last for good. ``failed`` lists which
    node had failed whenever it was asked."""

    def __init__(self, *primaries: Address) -> None:
        self._primaries = list(primaries)
        self.failed: list[Address | None] = []
        self.cluster = ClusterPrimary(primaries, lambda node: Redis(host=node[0], port=node[1]), self._look_up)

    async def _look_up(self, nodes: Iterable[Address], failed: Address | None) -> ClusterNodes:
        self.failed.append(failed)
        primary = self._primaries.pop(0) if self._primaries[1:] else self._primaries[0]
        return ClusterNodes(primary, tuple(nodes))


@pytest.fixture
async def alone(own_redis: RedisServer) -> AsyncIterator[tuple[Asked, Store]]:
    """A store whose Cluster names one real node."""
    asked = Asked(("127.0.0.1", own_redis.port))
    store = Store(asked.cluster, kick=lambda lanes: None)
    yield asked, store
    await store.close()


async def test_calls_that_hung_on_the_old_primary_say_nothing_of_the_new_one() -> None:
    """The first to fail has the Cluster asked; the others fail later, and the new primary stays what it is."""
    asked = Asked(OLD, NEW)
    old = await asked.cluster.find()
    asked.cluster.failed(old)
    new = await asked.cluster.find()
    for _ in range(59):
        asked.cluster.failed(old)
    assert await asked.cluster.find() is new
    assert asked.failed == [None, OLD]
    asked.cluster.failed(new)
    await asked.cluster.find()
    assert asked.failed == [None, OLD, NEW]
    await asked.cluster.close()


@pytest.mark.parametrize("command", [("SET", "x", "1"), ("EVALSHA", "0" * 40, "0"), ("NO-SUCH-COMMAND",)])
async def test_a_primary_that_refuses_is_still_the_primary(alone: tuple[Asked, Store], command: tuple[str]) -> None:
    """A full Redis, a script it does not have, a command it does not know: the Cluster is not asked for that."""
    asked, store = alone
    await store.ask("CONFIG", "SET", "maxmemory", "1")
    for _ in range(3):
        with pytest.raises(LedgerUnavailable):
            await store.ask(*command)
    assert asked.failed == [None]


async def test_a_full_redis_refuses_a_script_and_is_still_the_primary(alone: tuple[Asked, Store]) -> None:
    """The same for what scripts answer."""
    asked, store = alone
    await store.ask("CONFIG", "SET", "maxmemory", "1")
    for _ in range(3):
        with pytest.raises(LedgerUnavailable):
            await store.run("begin", 1, "canary")
    assert asked.failed == [None]


async def test_a_primary_that_became_a_replica_or_is_away_is_looked_for(
    alone: tuple[Asked, Store], own_redis: RedisServer
) -> None:
    """It says so itself, or nothing at all."""
    asked, store = alone
    node = ("127.0.0.1", own_redis.port)
    await store.ask("REPLICAOF", "127.0.0.1", "1")
    for _ in range(2):
        with pytest.raises(LedgerUnavailable):
            await store.run("begin", 1, "canary")
    assert asked.failed == [None, node]
    own_redis.kill()
    with pytest.raises(LedgerUnavailable):
        await store.run("begin", 1, "canary")
    assert asked.failed == [None, node, node]
    own_redis.start()
    await store.now()
    assert asked.failed == [None, node, node, node]
