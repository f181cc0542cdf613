"""Histories with their tables, which are made once for a run and then copied: that is a tenth of making them anew."""

from __future__ import annotations

import atexit
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import psycopg

from history import History
from history.write import Move
from ledger import Ledger
from runtime import history_url
from tests.support.postgres import create_database
from tests.support.waiting import until

OUTBOX = "ldg_test:00"
"""What `record_all` calls the outbox in history."""
_tables: list[Path] = []
"""A file with all tables, once there is one."""
_TABLES = "tables"
"""The database of a server that has them."""


async def make_tables(url: str) -> None:
    """Make the tables of an empty history, in a file that does not exist yet or in an empty database of PostgreSQL."""
    if not url.startswith("sqlite:///"):
        await _replace_database(url)
        return
    if not _tables:
        folder = Path(mkdtemp(prefix="relay-history-"))
        atexit.register(shutil.rmtree, folder)
        await _prepared(f"sqlite:///{folder}/history.db")
        _tables.append(folder / "history.db")
    shutil.copy(_tables[0], url.removeprefix("sqlite:///"))


async def _replace_database(url: str) -> None:
    """Let an empty database be a copy of one that has all tables; the first one makes that."""
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [_TABLES]).fetchall():
            create_database(connection, _TABLES)
            await _prepared(f"{server}/{_TABLES}")
        connection.execute(f'DROP DATABASE "{name}"'.encode())
        create_database(connection, name, _TABLES)


async def _prepared(url: str) -> None:
    history = History.connect(history_url.parse(url))
    await history.prepare()
    await history.close()


@asynccontextmanager
async def history_in(folder: Path) -> AsyncIterator[History]:
    """An empty history in an SQLite file in this folder."""
    url = f"sqlite:///{folder}/history.db"
    await make_tables(url)
    history = History.connect(history_url.parse(url))
    try:
        yield history
    finally:
        await history.close()


@asynccontextmanager
async def sqlite_history() -> AsyncIterator[History]:
    """An empty history in a folder of its own."""
    with TemporaryDirectory(prefix="relay-history-") as folder:
        async with history_in(Path(folder)) as history:
            yield history


async def until_recorded(ledger: Ledger) -> None:
    """Wait until a recorder has written to history what the ledger has for it."""

    async def nothing_waits() -> bool:
        return (await ledger.outbox.state()).waiting == 0

    await until(nothing_waits, "history has everything")


async def record_all(ledger: Ledger, history: History) -> None:
    """Have history record all that is in the outbox, as a worker does."""
    for cell, name in (await ledger.outbox.names()).items():
        place = await history.place(name)
        while items := (await ledger.outbox.read({cell: place}, 100))[cell]:
            entries = [entry for item in items for entry in item.entries]
            assert await history.record_all([Move(name, place, items[-1].place)], entries)
            place = items[-1].place
        await ledger.outbox.trim_all({cell: place})
