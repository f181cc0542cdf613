"""A Redis Cluster of the tests' own, on loopback: primaries that share the slots, each with a replica where wanted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from ledger.keys import cell_prefix
from tests.support.redis_process import RedisServer, open_ledger
from tests.support.waiting import until_now

SLOTS = 16384
NODE_TIMEOUT_MS = 1500
_FORMING_TIMEOUT_MS = 60_000
"""The same while the nodes get to know each other: a handshake that takes longer is given up for good."""


class Cluster:
    """``nodes`` by port, there from the start on. ``owner`` is the port of the primary that has the first cell, as
    the nodes said at the start."""

    def __init__(self, free_port: Callable[[], int], folder: Path, primaries: int = 3, replicas: bool = True) -> None:
        self._free_port = free_port
        self._folder = folder
        self._counts = primaries, primaries if replicas else 0
        self.nodes: dict[int, RedisServer] = {}
        self.primaries: list[int] = []
        self.replicas: list[int] = []

    def start(self) -> None:
        """Start all nodes and wait until they agree."""
        self.primaries, self.replicas = ([self._start_node() for _ in range(count)] for count in self._counts)
        with ExitStack() as stack:
            self._form({port: stack.enter_context(client(port)) for port in self.nodes})
        self.slot = self.slot_of(0)
        self.owner = self.owner_of(0)
        self.others = [port for port in self.primaries if port != self.owner]
        with redis.RedisCluster(host="127.0.0.1", port=self.owner) as all_of_them:
            open_ledger(all_of_them)
            if self.replicas:
                primaries = redis.RedisCluster.PRIMARIES
                acks = all_of_them.execute_command("WAIT", 1, _FORMING_TIMEOUT_MS, target_nodes=primaries)
                assert acks == len(self.replicas), "a replica does not have it"

    def _form(self, clients: Mapping[int, redis.Redis]) -> None:
        """Have the nodes, each with a client, share the slots and follow each other."""
        _set_timeout(clients, _FORMING_TIMEOUT_MS)
        for number, port in enumerate(self.primaries):
            first, last = (place * SLOTS // len(self.primaries) for place in (number, number + 1))
            clients[port].execute_command("CLUSTER ADDSLOTS", *range(first, last))
            clients[port].execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for port, other in itertools.combinations(clients, 2):
            clients[port].execute_command("CLUSTER MEET", "127.0.0.1", other)
        until_now(lambda: _acquainted(clients), "the nodes know each other")
        _set_timeout(clients, NODE_TIMEOUT_MS)
        until_now(lambda: _formed(clients), "the cluster forms")
        for replica, its_primary in zip(self.replicas, self.primaries, strict=False):
            identity = clients[its_primary].execute_command("CLUSTER MYID")
            clients[replica].execute_command("CLUSTER REPLICATE", identity)
        until_now(lambda: all(_has_caught_up(clients[port]) for port in self.replicas), "the replicas have caught up")

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes.values():
            node.kill()

    def empty(self) -> None:
        """Remove all keys of all primaries."""
        for port in self.primaries:
            with client(port) as one:
                one.flushall()

    def url(self, *ports: int) -> str:
        """A Cluster URL that names these nodes."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports)

    def slot_of(self, cell: int) -> int:
        """The slot of a cell."""
        with client(self.primaries[0]) as any_one:
            return int(any_one.execute_command("CLUSTER KEYSLOT", cell_prefix(cell)))

    def owner_of(self, cell: int) -> int:
        """The port of the primary that had a cell at the start."""
        return self.primaries[self.slot_of(cell) * len(self.primaries) // SLOTS]

    def id_of(self, port: int) -> str:
        """How the Cluster calls a node."""
        with client(port) as one:
            return str(one.execute_command("CLUSTER MYID"))

    @property
    def replica(self) -> int:
        """The replica of its first owner."""
        return self.replicas[self.primaries.index(self.owner)]

    async def migrate(self, to: int, pause: float = 0.0, cell: int = 0) -> None:
        """Move a cell from where it was at the start to another primary, a few keys at a time, as
        ``redis-cli --cluster reshard`` does."""
        slot, owner = self.slot_of(cell), self.owner_of(cell)
        with client(owner) as source, client(to) as target:
            target.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", self.id_of(owner))
            source.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", self.id_of(to))
            while keys := source.execute_command("CLUSTER GETKEYSINSLOT", slot, 5):
                source.execute_command("MIGRATE", "127.0.0.1", to, "", 0, 5000, "KEYS", *keys)
                await asyncio.sleep(pause)
            for one in (target, source):
                one.execute_command("CLUSTER SETSLOT", slot, "NODE", self.id_of(to))
        if cell == 0:
            self.owner = to

    def _start_node(self) -> int:
        port, timeout = self._free_port(), str(NODE_TIMEOUT_MS)
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", timeout)
        self.nodes[port] = RedisServer(port, self._folder / str(port), *options)
        self.nodes[port].start()
        return port


@contextmanager
def client(port: int) -> Iterator[redis.Redis]:
    """Speak to one node."""
    with redis.Redis(port=port, decode_responses=True, socket_timeout=10) as one:
        yield one


def _set_timeout(clients: Mapping[int, redis.Redis], milliseconds: int) -> None:
    for one in clients.values():
        one.config_set("cluster-node-timeout", milliseconds)


def _acquainted(clients: Mapping[int, redis.Redis]) -> bool:
    return all(
        len(known) == len(clients) and not any("handshake" in node["flags"] for node in known.values())
        for known in (one.cluster("NODES") for one in clients.values())
    )


def _formed(clients: Mapping[int, redis.Redis]) -> bool:
    return all(
        info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == len(clients)
        for info in (one.cluster("INFO") for one in clients.values())
    )


def _has_caught_up(replica: redis.Redis) -> bool:
    return bool(replica.info("replication").get("master_link_status") == "up")
