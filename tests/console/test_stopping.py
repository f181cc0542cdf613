"""A console that is asked to stop: answers under way are given, live pages and slow clients do not hold it up."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable

import pytest

from tests.console.test_process import KEY
from tests.console.web.conftest import Reader
from tests.support.clients import http_client
from tests.support.processes import Process, Processes
from tests.support.proxies import Command, RedisProxy
from tests.support.redis_process import RedisServer
from tests.support.waiting import PATIENCE, until

TOKEN = "operator-token"
_HURRIED = """
import sys
from console import server
from console.__main__ import main
server.LAST_ANSWERS = int(sys.argv[1])
sys.exit(main())
"""


@pytest.fixture
def url(free_port: Callable[[], int]) -> str:
    """Where the console is to listen."""
    return f"http://127.0.0.1:{free_port()}"


async def started(processes: Processes, redis_url: str, url: str, last_answers: int) -> Process:
    """A console that gives requests under way so many seconds."""
    port = url.rpartition(":")[2]
    console = processes.run(
        "console", [sys.executable, "-c", _HURRIED, str(last_answers)],
        REDIS_URL=redis_url, PORT=port, RELAY_API_TOKEN=TOKEN, RELAY_ENCRYPTION_KEY=KEY,
    )  # fmt: skip
    await console.ready(f"{url}/readyz")
    return console


async def test_an_answer_under_way_is_given(processes: Processes, own_redis: RedisServer, url: str) -> None:
    """A request that waits for a hanging Redis is answered before the process ends."""
    async with RedisProxy(own_redis.port) as way:
        console, asked = await started(processes, way.url, url, 600), asyncio.Event()

        def notice(command: Command) -> None:
            if any(b"imp_asked_for" in word for word in command):
                asked.set()

        way.refuse = notice
        own_redis.pause()
        async with http_client(headers={"authorization": f"Bearer {TOKEN}"}) as client:
            asking = asyncio.create_task(client.get(f"{url}/v1/payments/imp_asked_for"))
            await until(asked.is_set, "the request waits for Redis")
            console.signal(signal.SIGTERM)
            assert (await asking).status_code == 503
        assert await console.ended() == 0
    assert console.logs("console_stopped")


async def test_a_live_page_holds_nothing_up(processes: Processes, redis_url: str, url: str) -> None:
    """Its stream ends by itself: nobody waits for the last answers' time."""
    console = await started(processes, redis_url, url, 600)
    async with http_client(url) as client:
        await Reader(client).sign_in(TOKEN)
        async with client.stream("GET", "/?live=1") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            parts = stream.aiter_bytes()
            await anext(parts)
            console.signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                async for _ in parts:
                    pass
    assert await console.ended() == 0


async def test_a_client_that_does_not_end_is_left(processes: Processes, redis_url: str, url: str) -> None:
    """Half a request does not keep the process for ever."""
    console = await started(processes, redis_url, url, 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    head = f"POST /v1/endpoints HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 100\r\n"
    writer.write(f"{head}expect: 100-continue\r\n\r\n".encode())
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"{")
    await writer.drain()
    assert await console.terminate() == 0
    writer.close()
