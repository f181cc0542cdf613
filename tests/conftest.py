"""What tests share: a durable Redis, an i'mport that does as it is told, free ports, and the project's processes."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from tests.support import in_memory, postgres, warm_python
from tests.support.iamport_stub import Stub
from tests.support.ledger_home import KINDS, LedgerHome, on_cluster, on_redis
from tests.support.postgres import Postgres
from tests.support.processes import Processes, clean_environ
from tests.support.redis_cluster import Cluster
from tests.support.redis_process import RedisServer, open_ledger
from tests.support.sentinels import Watched

pytest_plugins = ("tests.support.schedule",)

# Properties run the same examples every time where `CI` is set, so that a red run can be run again.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("people", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "people")

in_memory.use_memory()  # before anybody asks where temporary files are
postgres.share_empty_cluster()  # before this process starts others


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--ledger=cluster` runs the end-to-end tests on a Redis Cluster, but those that bring a Redis of their own."""
    parser.addoption("--ledger", choices=KINDS, default="redis", help="where the ledger of an end-to-end test is")


def pytest_configure(config: pytest.Config) -> None:
    """All processes of a run that is divided among several share what has imported the project."""
    if config.getoption("numprocesses", None):
        warm_python.share_server()


# Below the ports that systems give to outgoing connections, and so are the bus ports of a Cluster, 10,000 above these.
_FIRST, _COUNT = 12_000, 10_000
_start = random.SystemRandom().randrange(_COUNT)
_left = itertools.cycle(_FIRST + (_start + place) % _COUNT for place in range(_COUNT))
_given = (Path(tempfile.gettempdir()) / f"relay-tests-ports-{os.getuid()}").open("a")
"""The byte of each port that was given is locked while this process lives: it may be a second until somebody listens
there, in which no other process of this run, or of another, may be given the same port."""


def _free_port() -> int:
    for port in _left:
        with socket.socket() as probe, suppress(OSError):
            fcntl.lockf(_given, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            probe.bind(("127.0.0.1", port))
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


@pytest.fixture(scope="session")
def ledger_home(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    free_port: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LedgerHome]:
    """Where the ledger of a relay is whose test does not say it."""
    if request.config.getoption("--ledger") == "redis":
        yield on_redis(redis_server)
        return
    with on_cluster(redis_server, free_port, tmp_path_factory.mktemp("cluster")) as home:
        yield home


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The ledger's database on that Redis, emptied with all others; the broker's is the next number."""
    redis_server.empty()
    with redis.Redis.from_url(redis_server.url) as client:
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
def cluster(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Cluster]:
    """Three primaries, each with a replica."""
    cluster = Cluster(free_port, tmp_path / "cluster")
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
async def watched(free_port: Callable[[], int], tmp_path: Path) -> AsyncIterator[Watched]:
    """A primary, a replica that has caught up, and three Sentinels."""
    watched = Watched(free_port, tmp_path / "watched")
    try:
        await watched.start()
        yield watched
    finally:
        watched.stop()


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


@pytest.fixture(scope="session")
def postgres_server(free_port: Callable[[], int]) -> Iterator[Postgres]:
    """One PostgreSQL for the whole run."""
    with postgres.installed(free_port) as server:
        yield server


@pytest.fixture
def own_postgres(free_port: Callable[[], int]) -> Iterator[Postgres]:
    """A started PostgreSQL of this test's own, to stop, kill or pause."""
    with postgres.installed(free_port) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty history may be, on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.create()
