"""What history's tests share: an empty history on each of the two databases."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

from history import History
from history.connection import Database, open_database
from history.write import Move
from runtime.history_url import parse
from schemas.outbox.entries import Entry
from tests.support.histories import make_tables
from tests.support.outbox_entries import packed


@pytest.fixture
async def database(history_url: str) -> AsyncIterator[Database]:
    """Its connections."""
    opened = open_database(parse(history_url))
    yield opened
    await opened.close()


@pytest.fixture
async def history(database: Database, history_url: str) -> History:
    """An empty history."""
    await make_tables(history_url)
    opened = History(database, parse(history_url))
    await opened.prepare()
    return opened


@pytest.fixture
def record(history: History) -> Callable[..., Awaitable[None]]:
    """Records entries behind whatever was recorded before."""
    places = itertools.count(1)

    async def write(entries: Iterable[Entry], outbox: str = "07") -> None:
        after = await history.place(outbox)
        assert await history.record_all([Move(outbox, after, f"{next(places)}-0")], packed(entries))

    return write
