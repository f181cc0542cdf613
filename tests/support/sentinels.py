"""A primary, a replica, and three Sentinels that make one of the other when it is gone."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import redis
import redis.asyncio

from cli.embedded import find_server
from tests.support.processes import PATIENCE
from tests.support.redis_process import RedisServer

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
        self._ports = [free_port() for _ in range(3)]
        self._folder = folder
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """How the relay's processes find whoever is primary."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}/{SERVICE}/0"

    async def start(self) -> None:
        """Start all five, and wait until the replica has caught up."""
        for server in self.servers.values():
            await asyncio.to_thread(server.start)
        for port in self._ports:
            file = self._folder / f"sentinel-{port}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self._folder}\n"
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
                f"sentinel failover-timeout {SERVICE} 4000\n"
            )
            self._watch(file)
        await self._until_replicated()
        await self._until(lambda: self._told(2), "the Sentinels know each other")

    def _watch(self, file: Path) -> None:
        command = [str(find_server()), str(file), "--sentinel"]
        self._sentinels.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def stop(self) -> None:
        """End all five."""
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait(PATIENCE)
        for server in self.servers.values():
            server.kill()

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
        with redis.Redis(port=self._ports[0], socket_timeout=5) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(SERVICE)[1])

    def _agreed(self) -> bool:
        """Whether all Sentinels name one primary, and none of them is about to replace it."""
        named = set()
        for port in self._ports:
            with redis.Redis(port=port, socket_timeout=5) as sentinel:
                state = sentinel.sentinel_master(SERVICE)
            named.add((state["port"], state["config-epoch"], state["flags"]))
        return len(named) == 1 and named.pop()[2] == "master"

    def _told(self, others: int) -> bool:
        with redis.Redis(port=self._ports[0], socket_timeout=5) as sentinel:
            state = sentinel.sentinel_master(SERVICE)
            return bool(state["num-other-sentinels"] >= others and state["num-slaves"] >= 1)

    async def _until_replicated(self) -> None:
        def replicated() -> bool:
            with redis.Redis(port=self.primary, socket_timeout=5) as client:
                replicas = client.info("replication")
            return any(isinstance(row, dict) and row.get("state") == "online" for row in replicas.values())

        await self._until(replicated, "the replica has caught up")

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + 2 * PATIENCE
        while not await asyncio.to_thread(holds):
            assert time.monotonic() < until, f"waited in vain until {what}"
            await asyncio.sleep(0.1)
