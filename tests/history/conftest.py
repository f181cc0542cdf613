"""What history's tests share: an empty history on each of the two databases."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest

from history import History
from history.connection import Database, open_database
from runtime.history_url import parse
from schemas.outbox.entries import Entry
from tests.support import postgres
from tests.support.outbox_entries import packed
from tests.support.postgres import Postgres

_names = (f"history_{number}" for number in itertools.count())


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
    return server.create(next(_names))


@pytest.fixture
async def database(history_url: str) -> AsyncIterator[Database]:
    """Its connections."""
    opened = open_database(parse(history_url))
    yield opened
    await opened.close()


@pytest.fixture
async def history(database: Database, history_url: str) -> History:
    """An empty history."""
    opened = History(database, parse(history_url))
    await opened.prepare()
    return opened


@pytest.fixture
def record(history: History) -> Callable[..., Awaitable[None]]:
    """Records entries behind whatever was recorded before."""
    places = itertools.count(1)

    async def write(entries: Iterable[Entry], outbox: str = "07") -> None:
        after = await history.place(outbox)
        assert await history.record(outbox, after=after, upto=f"{next(places)}-0", entries=packed(entries))

    return write
