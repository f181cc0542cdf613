"""Where the ledger is in a Redis Cluster: on one shard, as its keys share a hash tag; that node is found and followed.

Outside a Cluster nothing ever moves, and this is the one client there is.
"""

from __future__ import annotations

from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import MovedError


class Shard:
    """The node that has the ledger, as far as is known; at first the one that ``REDIS_URL`` names."""

    def __init__(self, seed: Redis) -> None:
        self._seed = seed
        self._nodes: dict[tuple[str, int], Redis] = {}
        self.client = seed

    def follow(self, moved: MovedError) -> None:
        """Go where a node says that the ledger is."""
        address = (moved.host or self._host, moved.port)
        if address not in self._nodes:
            self._nodes[address] = self._connected(*address)
        self.client = self._nodes[address]

    def forget(self) -> None:
        """The node has failed: whoever ``REDIS_URL`` names says next time where the ledger is now."""
        self.client = self._seed

    async def close(self) -> None:
        """Close all connections."""
        for client in (self._seed, *self._nodes.values()):
            await client.aclose()

    @property
    def _host(self) -> str:
        return str(self._seed.connection_pool.connection_kwargs["host"])

    def _connected(self, host: str, port: int) -> Redis:
        pool = self._seed.connection_pool
        kwargs = {**pool.connection_kwargs, "host": host, "port": port}
        return Redis(
            connection_pool=BlockingConnectionPool(
                max_connections=pool.max_connections, timeout=2.0, connection_class=pool.connection_class, **kwargs
            )
        )
