"""What tests share: a durable Redis, an i'mport that does as it is told, free ports, and the project's processes."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.iamport.stub import Stub
from tests.processes import Processes, clean_environ
from tests.redis_process import RedisServer

_handed_out: set[int] = set()


def _free_port() -> int:
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port of loopback that nobody listens on, another one at each call."""
    return _free_port


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[RedisServer]:
    """One Redis for the whole run: append-only file, `appendfsync always`, `noeviction`."""
    server = RedisServer(free_port(), tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The ledger's database on that Redis, emptied with all others; the broker's is the next number."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def own_redis(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[RedisServer]:
    """A started Redis of this test's own, to stop, kill, pause or fill."""
    server = RedisServer(free_port(), tmp_path / "redis")
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    """An i'mport that answers as the test says."""
    stub = Stub()
    await stub.start()
    yield stub
    await stub.stop()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Starts the project's processes in a directory of this test's own; ends what is left of them."""
    started = Processes(tmp_path, clean_environ())
    yield started
    started.end()
