"""What history's tests share: an empty history on each of the two databases."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from history import History
from runtime.history_url import parse
from tests.support import postgres
from tests.support.postgres import Postgres

_names = (f"history_{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Postgres]:
    """One PostgreSQL for the whole run."""
    directory = tmp_path_factory.mktemp("postgres")
    for folder in (directory, *directory.parents[:2]):
        folder.chmod(0o755)  # PostgreSQL does not run as root, who made these
    server = postgres.needed(free_port, directory / "server")
    if server is None:
        pytest.skip("PostgreSQL is not installed here: apt install postgresql runs these tests, too")
    server.start()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty history may be, on each database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.create(next(_names))


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[History]:
    """An empty history."""
    opened = History.connect(parse(history_url))
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
def record(history: History) -> Callable[..., object]:
    """Records entries behind whatever was recorded before."""
    places = itertools.count(1)

    async def write(entries: object, outbox: str = "07") -> None:
        from tests.support.outbox_entries import packed

        after = await history.place(outbox)
        assert await history.record(outbox, after=after, upto=f"{next(places)}-0", entries=packed(entries))  # type: ignore[arg-type]

    return write
