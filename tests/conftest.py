"""What tests share: a durable Redis, an i'mport that does as it is told, free ports, and the project's processes."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import redis

from tests.support.iamport_stub import Stub
from tests.support.processes import Processes, clean_environ
from tests.support.redis_process import RedisServer, open_ledger

pytest_plugins = ("tests.support.schedule",)


def _ports() -> Iterator[int]:
    """Below those that systems give to outgoing connections, and for each process of a run others than for its
    siblings: a port is free until whoever it was meant for listens there, a second later."""
    place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 16
    own = range(12_000 + place * 1_200, 12_000 + (place + 1) * 1_200)
    first = random.SystemRandom().randrange(len(own))
    return itertools.cycle([*own[first:], *own[:first]])


_left = _ports()


def _free_port() -> int:
    for port in _left:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("it goes round")


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
        open_ledger(client)
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
