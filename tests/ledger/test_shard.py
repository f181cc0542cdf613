"""A ledger on a Redis Cluster: its node is found from any other, and found again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from ledger import Ledger
from ledger.start import usable
from schemas.errors import BadSetting, LedgerUnavailable
from tests.ledger.driving import Driver
from tests.redis_process import PATIENCE, RedisServer

SLOTS = 16384


class Cluster:
    """Two nodes that share the slots; the ledger's are on ``owner``."""

    def __init__(self, nodes: tuple[RedisServer, RedisServer]) -> None:
        self.nodes = nodes
        for node in nodes:
            node.start()
        clients = [redis.Redis(port=node.port, decode_responses=True) for node in nodes]
        for half, client in enumerate(clients):
            slots = range(half * SLOTS // 2, (half + 1) * SLOTS // 2)
            client.execute_command("CLUSTER ADDSLOTS", *slots)
        clients[0].execute_command("CLUSTER MEET", "127.0.0.1", nodes[1].port)
        until = time.monotonic() + PATIENCE
        while not all(_formed(client) for client in clients):
            assert time.monotonic() < until, "the cluster did not form"
            time.sleep(0.05)
        slot = int(clients[0].execute_command("CLUSTER KEYSLOT", "{relay}:"))
        self.owner = nodes[slot * 2 // SLOTS]
        self.other = nodes[1 - slot * 2 // SLOTS]
        for client in clients:
            client.close()


def _formed(client: redis.Redis) -> bool:
    info = client.cluster("INFO")
    return bool(info["cluster_state"] == "ok" and info["cluster_slots_ok"] == str(SLOTS))


@pytest.fixture
def cluster(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Cluster]:
    """A Redis Cluster of two nodes."""
    option = ("--cluster-enabled", "yes")
    first, second = (RedisServer(_port(free_port), tmp_path / name, *option) for name in ("first", "second"))
    try:
        yield Cluster((first, second))
    finally:
        first.kill()
        second.kill()


def _port(free_port: Callable[[], int]) -> int:
    """A port whose bus port, 10,000 above, exists too."""
    while (port := free_port()) > 55000:
        continue
    return port


async def test_the_ledger_is_found_from_another_node(cluster: Cluster, redis_url: str) -> None:
    """A REDIS_URL that names the wrong node of a Cluster works all the same: the ledger's node is followed."""
    ledger = Ledger.connect(cluster.other.url, redis_url)

    await Driver(ledger).accept("imp_1")

    claimed = await Driver(ledger).claim()
    assert [payment.record.imp_uid for payment in claimed] == ["imp_1"]
    await ledger.close()


async def test_the_ledger_is_found_again_after_its_node_was_away(cluster: Cluster, redis_url: str) -> None:
    """While its node is away the ledger is unavailable; when it is back, so is the ledger."""
    ledger = Ledger.connect(cluster.other.url, redis_url)
    await Driver(ledger).accept("imp_1")

    cluster.owner.kill()
    with pytest.raises(LedgerUnavailable):
        await Driver(ledger).accept("imp_2")
    cluster.owner.start()

    until = time.monotonic() + PATIENCE
    while True:
        try:
            await Driver(ledger).accept("imp_2")
            break
        except LedgerUnavailable:
            assert time.monotonic() < until, "the ledger did not come back"
    assert len(await Driver(ledger).claim()) == 2
    await ledger.close()


@pytest.mark.parametrize("database", [0, 1])
async def test_the_queue_cannot_be_on_a_cluster(cluster: Cluster, database: int) -> None:
    """Dramatiq's script uses keys of several nodes: the start ends, and it is said what to name instead."""
    ledger = Ledger.connect(cluster.owner.url, cluster.owner.url.replace("/0", f"/{database}"))
    with pytest.raises(BadSetting, match=r"^RELAY_QUEUE_URL .*: name a database .*, outside of a Redis Cluster"):
        await usable(ledger)
    await ledger.close()
