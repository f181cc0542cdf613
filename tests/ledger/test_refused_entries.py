"""An entry whose values the database cannot hold: it is named, and what came before it is in history."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog
from cryptography.fernet import Fernet

from history import History
from history.pages import PageRequest
from ledger import Ledger
from runtime.encryption import Sealer
from runtime.history_url import parse
from schemas.outbox.codec import pack
from schemas.outbox.entries import Delivery, Entry, Event, Payment
from tests.support.outbox_entries import of_payment
from tests.support.postgres import Postgres
from tests.support.waiting import until
from workers.recorder import Recorder

BEYOND = 2**63
"""One more than the largest integer of either database."""


async def records_up_to_the_refused(ledger: Ledger, url: str) -> None:
    """Of seven items the fifth cannot be written."""
    await ledger.begin(Sealer([Fernet.generate_key().decode()]))
    history = History.connect(parse(url))
    await history.prepare()
    places = []
    for number in range(7):
        entries = of_payment(number)
        if number == 4:
            entries = [_beyond(one) for one in entries]
        places.append(await ledger.outbox.append([pack(entry) for entry in entries]))
    with structlog.testing.capture_logs() as lines:
        recording = asyncio.create_task(Recorder(ledger.outbox, history, "me").step())
        await until(lambda: any(line["event"] == "outbox_not_readable" for line in lines), "the refusal is logged")
        recording.cancel()
    (line,) = [line for line in lines if line["event"] == "outbox_not_readable"]
    assert places[4] in line["error"]
    assert len((await history.payments.list(PageRequest())).rows) == 4
    assert (await ledger.outbox.state()).waiting == 3
    await history.close()


def _beyond(entry: Entry) -> Entry:
    return replace(entry, sequence=BEYOND) if isinstance(entry, Payment | Event | Delivery) else entry


async def test_sqlite(ledger: Ledger, tmp_path: Path) -> None:
    """As PostgreSQL."""
    await records_up_to_the_refused(ledger, f"sqlite:///{tmp_path / 'history.db'}")


async def test_postgresql(ledger: Ledger, postgres_server: Postgres) -> None:
    """As SQLite."""
    await records_up_to_the_refused(ledger, postgres_server.create())
