"""How durable Redis is: asked at the start and again and again, shown by /metrics, /readyz and the log."""

from __future__ import annotations

import sys
from collections.abc import Callable

from receiver.acceptor import RedisState
from receiver.redis_watch import RedisWatch
from receiver.server import REDIS_CHECK_EVERY, TROUBLED_REDIS_CHECK_EVERY
from tests.support.processes import Processes
from tests.support.receivers import Receiver
from tests.support.redis_process import RedisServer, not_durable
from tests.support.waiting import until

_HURRIED = """
from receiver import server
from receiver.__main__ import main
server.TROUBLED_REDIS_CHECK_EVERY = server.REDIS_CHECK_EVERY = 0.2
main()
"""


async def questions(rounds: int, *, available: bool = True, durable: bool | None = True) -> int:
    """How often Redis is asked in so many rounds while this is its state."""
    asked = 0

    async def check() -> RedisState:
        nonlocal asked
        asked += 1
        return RedisState(available, durable, ())

    watch = RedisWatch(check, round(REDIS_CHECK_EVERY / TROUBLED_REDIS_CHECK_EVERY))  # as the server makes it
    for _ in range(rounds):
        await watch.step()
    return asked


async def test_a_redis_that_is_well_is_asked_once_a_minute() -> None:
    """It is asked at the start and each minute; while something is wrong with it, in every round."""
    assert await questions(120) == 120 * TROUBLED_REDIS_CHECK_EVERY / 60
    assert await questions(120, durable=False) == 120
    assert await questions(120, available=False) == 120


async def test_a_redis_that_changes_is_noticed(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """Without any request to /readyz, metrics and log show that Redis is no longer durable, and that it is away."""
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
    with not_durable(own_redis.url):
        await until(weak)
        assert (await process.logged("redis_durability", durable=False))["reasons"] == [
            "appendfsync is everysec, not always"
        ]
    await until(durable)
    own_redis.kill()
    await until(away)
    await process.logged("redis_unavailable")
