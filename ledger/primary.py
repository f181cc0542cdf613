"""Which node has the ledger: the one that a URL names, or the primary of its shard in a Redis Cluster.

All keys share a hash tag, so a ledger is on one shard of a Cluster. Scripts are sent to that shard's primary over plain
connections of our own (``WAIT`` counts what its own connection wrote); redis-py's Cluster client finds the primary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple, Protocol

import redis.exceptions as trouble
from redis.asyncio import Redis

Address = tuple[str, int]


class Primary(Protocol):
    """How a store finds its node. Raises redis-py's errors, `OSError` and `TimeoutError`."""

    @property
    def client(self) -> Redis:
        """The node that has the ledger, as far as is known."""

    async def find(self) -> Redis:
        """The node that has the ledger now."""

    async def follow(self, moved: trouble.MovedError) -> None:
        """Use the node that a MOVED names."""

    def failed(self, client: Redis) -> None:
        """This client's node has failed: another one may have the ledger by now."""

    async def close(self) -> None:
        """Close all connections."""


class FixedClient:
    """Always the same client: of a socket, or one that asks Sentinels itself. ``close_too`` is called by `close`."""

    def __init__(self, client: Redis, close_too: Callable[[], Awaitable[object]] | None = None) -> None:
        self.client = client
        self._close_too = close_too

    async def find(self) -> Redis:
        """The one client."""
        return self.client

    async def follow(self, moved: trouble.MovedError) -> None:
        """There is no other node to follow: raises the error."""
        raise moved

    def failed(self, client: Redis) -> None:
        """Nothing to do: the same client is used again."""

    async def close(self) -> None:
        """Close its connections."""
        await self.client.aclose()
        if self._close_too is not None:
            await self._close_too()


class ClusterNodes(NamedTuple):
    """The nodes of a Cluster, and which of them has the ledger."""

    primary: Address
    nodes: tuple[Address, ...]


class ClusterPrimary:
    """The primary of the ledger's shard. All known nodes are asked for it, not only the seeds.

    ``connected`` makes a client of a node; ``look_up`` asks nodes in any order, but the one that has just failed last.
    """

    def __init__(
        self,
        seeds: Iterable[Address],
        connected: Callable[[Address], Redis],
        look_up: Callable[[Iterable[Address], Address | None], Awaitable[ClusterNodes]],
    ) -> None:
        self._seeds = tuple(seeds)
        self._nodes: tuple[Address, ...] = ()
        self._connected = connected
        self._look_up = look_up
        self._clients: dict[Address, Redis] = {}
        self._primary = self._seeds[0]
        self._is_known = False
        self._failed: Address | None = None
        self._looking: asyncio.Task[None] | None = None

    @property
    def client(self) -> Redis:
        """The node that has the ledger, as far as is known; before that, the first one that the URL names."""
        if self._primary not in self._clients:
            self._clients[self._primary] = self._connected(self._primary)
        return self._clients[self._primary]

    async def find(self) -> Redis:
        """The node that has the ledger; after a failure the Cluster is asked first."""
        if not self._is_known:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
                self._looking.add_done_callback(_retrieve)
            # This caller may be cancelled: the result serves the next one.
            await asyncio.shield(self._looking)
        return self.client

    async def follow(self, moved: trouble.MovedError) -> None:
        """Use the node that this one names."""
        self._primary, self._is_known = (moved.host or self._primary[0], moved.port), True

    def failed(self, client: Redis) -> None:
        """Ask the Cluster before the next call, unless another node is used since: many calls may hang on the old one
        and fail one after the other."""
        if self._clients.get(self._primary) is client:
            self._failed, self._is_known = self._primary, False

    async def close(self) -> None:
        """Close all connections."""
        if self._looking is not None:
            self._looking.cancel()
        for client in self._clients.values():
            await client.aclose()

    async def _look(self) -> None:
        found = await self._look_up(dict.fromkeys((*self._nodes, *self._seeds)), self._failed)
        self._primary, self._nodes, self._is_known = found.primary, found.nodes, True
        for address in self._clients.keys() - {*found.nodes, *self._seeds}:
            await self._clients.pop(address).aclose()


class NamedNode:
    """The node that a URL names. Where it belongs to a Cluster, ``clustered`` makes the client of that."""

    def __init__(self, node: Redis, address: Address, clustered: Callable[[Iterable[Address]], ClusterPrimary]) -> None:
        self._node = node
        self._address = address
        self._clustered = clustered
        self._cluster: ClusterPrimary | None = None
        self._asked = False

    @property
    def client(self) -> Redis:
        """The node that has the ledger, as far as is known."""
        return self._node if self._cluster is None else self._cluster.client

    async def find(self) -> Redis:
        """The node itself, once it has answered that it belongs to no Cluster."""
        if self._cluster is None and not self._asked:
            if await self._is_clustered():
                self._cluster = self._clustered([self._address])
            self._asked = True
        return self._node if self._cluster is None else await self._cluster.find()

    async def follow(self, moved: trouble.MovedError) -> None:
        """Use the node that it names: it is in a Cluster, though it did not say so."""
        if self._cluster is not None:
            await self._cluster.follow(moved)
        else:
            self._cluster = self._clustered([self._address, (moved.host or self._address[0], moved.port)])

    def failed(self, client: Redis) -> None:
        """Ask the Cluster, where there is one."""
        if self._cluster is not None:
            self._cluster.failed(client)

    async def close(self) -> None:
        """Close all connections."""
        await self._node.aclose()
        if self._cluster is not None:
            await self._cluster.close()

    async def _is_clustered(self) -> bool:
        try:
            info = await self._node.info("cluster")
        except trouble.ResponseError:
            return False  # it does not say; in a Cluster MOVED will
        return bool(info.get("cluster_enabled"))


def _retrieve(task: asyncio.Task[None]) -> None:
    """Retrieve the task's exception: where no caller waits for it any more, it is not worth a log line."""
    if not task.cancelled():
        task.exception()
