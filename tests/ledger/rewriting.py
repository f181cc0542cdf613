"""A history that was lost and is written again from the ledger."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from sqlalchemy import select

from history import History
from history.connection import Database, open_database
from history.tables import metadata
from ledger import Ledger
from ledger.jobs import REWRITE
from runtime.history_url import parse
from tests.support.waiting import until
from workers.recorder import Recorder
from workers.rewrite import Rewriter

Rows = dict[str, list[Any]]
"""Every row of each table, in text."""

_CHANGING = {"n", "revision", "changed_at", "object_revision", "fetched_at", "row"}
"""Columns that need not be as they were: the tests' looks happen in the future, and an endpoint's row has its health,
which changes without being told."""


async def history_in(folder: Path, name: str) -> tuple[History, Database]:
    """An empty history in a file."""
    url = parse(f"sqlite:///{folder / name}.db")
    database = open_database(url)
    history = History(database, url)
    await history.prepare()
    return history, database


async def record(ledger: Ledger, history: History) -> None:
    """Record until nothing waits."""
    recorder = Recorder(ledger.outbox, history, "me")

    async def is_recorded() -> bool:
        step = asyncio.ensure_future(recorder.step())
        await asyncio.wait([step], timeout=0.3)
        step.cancel()
        return (await ledger.outbox.state()).waiting == 0

    await until(is_recorded, "all is recorded")


async def rows_of(database: Database) -> Rows:
    """Every row of a history, without what need not be the same."""

    def read(connection: Any) -> Rows:
        found = {}
        for table in metadata.sorted_tables:
            columns = [column for column in table.c if column.name not in _CHANGING]
            found[table.name] = sorted(map(repr, connection.execute(select(*columns)).all()))
        return found

    return await database.read(read)


async def lost(ledger: Ledger) -> None:
    """A recorder has found out, and the job is under way."""
    assert [lease.lane for lease in (await ledger.jobs.claim(REWRITE)).leases] == [REWRITE]


async def written_again(ledger: Ledger, folder: Path) -> tuple[Rows, Rows]:
    """What a history has of all that has happened in this ledger, and what the next one has after that was lost."""
    first, before = await history_in(folder, "first")
    await record(ledger, first)
    second, after = await history_in(folder, "second")
    await record(ledger, second)
    await lost(ledger)
    while await Rewriter(ledger).step("rewrite_history", 0) is not None:
        await record(ledger, second)
    was, again = await rows_of(before), await rows_of(after)
    await first.close()
    await second.close()
    return was, again
