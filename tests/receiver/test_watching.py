"""How safe Redis is: asked at the start and again and again, told by /metrics, /readyz and the log."""

from __future__ import annotations

import sys
from collections.abc import Callable

import redis

from receiver.acceptor import RedisState
from receiver.server import LOOK_EVERY, LOOK_SOON, _Watchman
from tests.support.processes import Processes
from tests.support.receivers import Receiver
from tests.support.redis_process import RedisServer
from tests.support.waiting import until

_HURRIED = """
from receiver import server
from receiver.__main__ import main
server.LOOK_SOON = server.LOOK_EVERY = 0.2
main()
"""


class Watched:
    """A keeper that counts how often it looks."""

    def __init__(self, *, available: bool, durable: bool | None) -> None:
        self._state = RedisState(available, durable, ())
        self.looks = 0

    async def look(self) -> RedisState:
        """As it was told to be."""
        self.looks += 1
        return self._state


async def looks_within(seconds: float, *, available: bool = True, durable: bool | None = True) -> int:
    """How often the watchman looks in so many seconds of rounds."""
    keeper = Watched(available=available, durable=durable)
    watchman = _Watchman(keeper)  # type: ignore[arg-type]
    for _ in range(int(seconds / LOOK_SOON)):
        await watchman.look()
    return keeper.looks


async def test_a_redis_that_is_well_is_looked_at_each_minute() -> None:
    """At the start and each minute; while something is wrong with it, in every round."""
    assert LOOK_EVERY == 60.0
    assert await looks_within(600) == 10
    assert await looks_within(600, durable=False) == 600 / LOOK_SOON
    assert await looks_within(600, available=False) == 600 / LOOK_SOON


async def test_a_redis_that_changes_is_told_of_by_itself(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """Nobody has to ask /readyz: what Redis becomes is in the metrics and in the log, and so is that it is away."""
    port = free_port()
    environ = {"REDIS_URL": own_redis.url, "HOST": "127.0.0.1", "PORT": str(port)}
    process = processes.run("receiver", [sys.executable, "-c", _HURRIED], **environ)
    await process.listening(port)
    receiver = Receiver(process, port)

    async def durable() -> bool:
        return await receiver.metric("relay_redis_durable") == 1

    async def weak() -> bool:
        return "relay_redis_durable 0.0" in (await receiver.client.get("/metrics")).text

    async def away() -> bool:
        return "relay_redis_available 0.0" in (await receiver.client.get("/metrics")).text

    await until(durable)
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("appendfsync", "everysec")
        await until(weak)
        assert (await process.logged("redis_durability", durable=False))["reasons"] == [
            "appendfsync is everysec, not always"
        ]
        client.config_set("appendfsync", "always")
        await until(durable)
    own_redis.kill()
    await until(away)
    await process.logged("redis_unavailable")
