"""A history in an SQLite file of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from history import History
from ledger import Ledger
from ledger.outbox import name_of
from runtime import history_url

OUTBOX = "test:00"
"""What `record_all` calls the outbox in history."""


@asynccontextmanager
async def sqlite_history() -> AsyncIterator[History]:
    """An empty history, with its tables."""
    with TemporaryDirectory(prefix="relay-history-") as folder:
        history = History.connect(history_url.parse(f"sqlite:///{folder}/history.db"))
        await history.prepare()
        try:
            yield history
        finally:
            await history.close()


async def record_all(ledger: Ledger, history: History) -> None:
    """Have history record all that is in the outbox, as a worker does."""
    for cell in ledger.outbox.cells:
        name = name_of("test", cell)
        place = await history.place(name)
        while items := (await ledger.outbox.read({cell: place}, 100))[cell]:
            entries = [entry for item in items for entry in item.entries]
            assert await history.record(name, after=place, upto=items[-1].place, entries=entries)
            place = items[-1].place
        await ledger.outbox.trim(place, cell)
