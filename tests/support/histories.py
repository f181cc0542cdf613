"""A history in an SQLite file of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

from history import History
from ledger import Ledger
from runtime import history_url
from tests.support.waiting import until
from workers.recorder import Recorder


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
    if (await ledger.outbox.state()).waiting:
        recorder = Recorder(ledger.outbox, history, "test")

        async def is_recorded() -> bool:
            await recorder.step()
            return not (await ledger.outbox.state()).waiting

        await until(is_recorded, "everything is recorded")
