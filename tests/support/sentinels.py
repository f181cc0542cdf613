"""A primary, a replica, and three Sentinels that make one of the other when it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import redis
import redis.asyncio

from tests.support.redis_process import RedisProcess, RedisServer
from tests.support.waiting import PATIENCE, until

SERVICE = "ledger"
DOWN_AFTER_MS = 1000


class Watched:
    """Two servers of one ledger, watched by Sentinels; all on loopback."""

    def __init__(self, free_port: Callable[[], int], folder: Path) -> None:
        ports = (free_port(), free_port())
        replica = ("--replicaof", "127.0.0.1", str(ports[0]))
        self.servers = {
            ports[0]: RedisServer(ports[0], folder / "one"),
            ports[1]: RedisServer(ports[1], folder / "two", *replica),
        }
        self.primary = ports[0]
        self._folder = folder
        self._sentinels = {free_port(): RedisProcess(folder, f"sentinel-{number}") for number in range(3)}

    @property
    def url(self) -> str:
        """How the relay's processes find whichever server is primary."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._sentinels)}/{SERVICE}/0"

    async def start(self) -> None:
        """Start all five, and wait until the replica has caught up."""
        for server in self.servers.values():
            await asyncio.to_thread(server.start)
        for port, sentinel in self._sentinels.items():
            lines = [
                f"port {port}", "bind 127.0.0.1", f"dir {self._folder}",
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary} 2",
                f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}",
                f"sentinel failover-timeout {SERVICE} 4000",
            ]  # fmt: skip
            sentinel.configure(lines, "--sentinel")
        await self._until_replicated()
        await self._until(self._acquainted, "the Sentinels know each other")

    def stop(self) -> None:
        """End all five."""
        for process in (*self._sentinels.values(), *self.servers.values()):
            process.kill()

    async def fail_over(self) -> None:
        """Kill the primary, wait for the Sentinels to make another, and bring the old one back as its replica."""
        old = self.primary
        await asyncio.to_thread(self.servers[old].kill)
        # All of them: one that is still at it could yet make a primary of the old server, as soon as it is back.
        await self._until(lambda: self._agreed() and self._primary() != old, "the Sentinels agree on another primary")
        self.primary = self._primary()
        await asyncio.to_thread(self.servers[old].start)
        # The Sentinels would do so too, in their own time; it has no configuration file that could say so.
        await asyncio.to_thread(self._follow, old)
        await self._until_replicated()

    def _follow(self, port: int) -> None:
        with redis.Redis(port=port, socket_timeout=5) as client:
            client.replicaof("127.0.0.1", self.primary)

    def _primary(self) -> int:
        with self._any_sentinel() as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(SERVICE)[1])

    def _agreed(self) -> bool:
        """Whether all Sentinels name one primary, and none of them is about to replace it."""
        named = set()
        for port in self._sentinels:
            with redis.Redis(port=port, socket_timeout=5) as sentinel:
                state = sentinel.sentinel_master(SERVICE)
            named.add((state["port"], state["config-epoch"], state["flags"]))
        return len(named) == 1 and named.pop()[2] == "master"

    def _acquainted(self) -> bool:
        """Whether one Sentinel knows both others and the replica."""
        with self._any_sentinel() as sentinel:
            state = sentinel.sentinel_master(SERVICE)
            return bool(state["num-other-sentinels"] >= len(self._sentinels) - 1 and state["num-slaves"] >= 1)

    def _any_sentinel(self) -> redis.Redis:
        return redis.Redis(port=next(iter(self._sentinels)), socket_timeout=5)

    async def _until_replicated(self) -> None:
        def replicated() -> bool:
            with redis.Redis(port=self.primary, socket_timeout=5) as client:
                replicas = client.info("replication")
            return any(isinstance(row, dict) and row.get("state") == "online" for row in replicas.values())

        await self._until(replicated, "the replica has caught up")

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        not_yet = (redis.exceptions.ResponseError, redis.exceptions.ConnectionError)
        await until(lambda: asyncio.to_thread(holds), what, 2 * PATIENCE, every=0.1, despite=not_yet)
