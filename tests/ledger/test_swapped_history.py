"""History is taken away or swapped behind a recorder that runs, while nothing is to record or while it records."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from history import History
from history.batch import Packed
from history.write import Move
from ledger import Ledger
from ledger.jobs import REWRITE
from runtime.encryption import Sealer
from runtime.history_url import parse
from schemas.errors import BadSetting, HistoryUnavailable
from tests.support.ledger_driver import Driver, paid, queue_url
from tests.support.ledger_redis import key
from tests.support.postgres import Postgres
from tests.support.waiting import until
from workers.recorder import GATHER, Pace, Recorder

QUICK = Pace(idle_wait=0.05, look_every=0.05, lead_again=0.05, retry_after=0.05)


class House:
    """A ledger with its history, and a recorder that waits for entries."""

    def __init__(self, ledger: Ledger, sealer: Sealer, url: str, postgres: Postgres | None) -> None:
        self.ledger, self.sealer, self.url, self.postgres = ledger, sealer, url, postgres
        self.history = History.connect(parse(url))
        self.driver = Driver(ledger)
        self.steps = 0
        """Of a recorder, that have ended."""

    async def open(self) -> bool:
        """Do what a worker does now and then."""
        if not await self.ledger.is_open_with(self.history):
            await self.ledger.open_with(self.history, self.sealer)
        return True

    @asynccontextmanager
    async def recording(self, pace: Pace = QUICK) -> AsyncIterator[None]:
        """All is recorded, and a recorder waits for more, without a step that ends."""
        recorder = Recorder(self.ledger.outbox, self.history, "me", pace)

        async def record() -> None:
            while True:
                await recorder.step()
                self.steps += 1

        running = asyncio.ensure_future(record())
        try:
            await until(self.nothing_waits, "all is recorded")
            yield
        finally:
            running.cancel()
            await asyncio.wait([running])

    async def stepped(self) -> None:
        """Wait until a step of the recorder has ended."""
        before = self.steps
        await until(lambda: self.steps > before, "a step ends")

    async def nothing_waits(self) -> bool:
        """Whether history has everything."""
        return (await self.ledger.outbox.state()).waiting == 0

    async def is_found_out(self) -> bool:
        """Whether what the ledger holds is to be written again."""
        client: Any = self.driver.redis
        return await client.zscore(key("due", str(REWRITE)), "rewrite_history") is not None

    async def keep_copy(self) -> None:
        """Copy history as it is."""
        await self.history.close()  # SQLite's log is merged into the file, and PostgreSQL copies what nobody uses
        self.history = History.connect(parse(self.url), is_prepared=True)
        if self.postgres is None:
            shutil.copy(self.file, f"{self.file}.copy")
        else:
            self.administer('DROP DATABASE IF EXISTS "copy"', 'CREATE DATABASE "copy" TEMPLATE "{name}"')

    def put_back(self) -> None:
        """Put the copy in the place of history, behind whoever has that open."""
        if self.postgres is None:
            self.remove_file()
            Path(f"{self.file}.copy").rename(self.file)
        else:
            self.administer('DROP DATABASE "{name}" WITH (FORCE)', 'ALTER DATABASE "copy" RENAME TO "{name}"')

    def empty(self) -> None:
        """Take history away, with all tables."""
        if self.postgres is None:
            self.remove_file()
        else:
            self.administer('DROP DATABASE "{name}" WITH (FORCE)', 'CREATE DATABASE "{name}"')

    @property
    def file(self) -> Path:
        """Where SQLite keeps it."""
        return Path(self.url.removeprefix("sqlite:///"))

    def remove_file(self) -> None:
        """Remove SQLite's file and its log; the file first, so that nobody opens it without its log."""
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.file}{ending}").unlink(missing_ok=True)

    def administer(self, *statements: str) -> None:
        """Do something with PostgreSQL's database of this `name`, which nobody may be connected to."""
        assert self.postgres is not None
        name = self.url.rpartition("/")[2]
        for statement in statements:
            self.postgres.execute(statement.format(name=name), "postgres")


@pytest.fixture
async def house(
    request: pytest.FixtureRequest, redis_url: str, history_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """An opened ledger with one payment that is recorded; nobody waits for long."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    postgres = None if history_url.startswith("sqlite") else request.getfixturevalue("postgres_server")
    house = House(ledger, Sealer([Fernet.generate_key().decode()]), history_url, postgres)
    await house.open()
    await house.driver.look(paid("imp_1"))
    yield house
    await house.history.close()
    await ledger.close()


async def test_a_recorder_stops_while_another_leads(house: House) -> None:
    """It asks now and then whether it still leads, not each time."""
    async with house.recording(replace(QUICK, lead_for=0.05)):
        await house.driver.lead("record", "another")
        await house.stepped()
        await house.driver.look(paid("imp_2"))
        await house.stepped()
        await house.stepped()
        assert not await house.nothing_waits()
        await house.driver.let_lead("record")
        await until(house.nothing_waits, "it leads again")


async def test_an_idle_recorder_finds_out_that_redis_is_an_old_copy(house: House) -> None:
    """Redis restarts with it so fast that no command of the recorder fails."""
    client: Any = house.driver.redis
    async with house.recording():
        names = [key("outbox"), key("recorded")]
        copy = [await client.dump(name) for name in names]
        await house.driver.look(paid("imp_2"))
        await until(house.nothing_waits, "all is recorded")
        await asyncio.sleep(10 * GATHER)  # until it waits for entries again
        async with client.pipeline(transaction=True) as together:
            for name, kept in zip(names, copy, strict=True):
                together.restore(name, 0, kept, replace=True)
            await together.execute()

        async def is_found_out() -> bool:
            return bool(await client.exists(key("old_copy")))

        await until(is_found_out, "nothing came, and it is noticed")
        await until(house.nothing_waits, "nothing of the copy waits")


async def test_an_idle_recorder_finds_out_that_history_is_gone(house: House) -> None:
    """The file was deleted or the database dropped: new tables are made, and all is to be written there again."""
    async with house.recording():
        house.empty()
        await until(house.open, "it is its history again", despite=(HistoryUnavailable,))
        await until(house.is_found_out, "nothing came, and it is noticed")
    assert await house.history.owner() == "ldg_test"
    if house.postgres is None:
        assert house.file.stat().st_mode & 0o777 == 0o600


async def test_an_idle_recorder_finds_out_that_history_is_older(house: House) -> None:
    """A copy was put in its place, of before the last entries."""
    async with house.recording():
        pass
    await house.keep_copy()
    await house.driver.look(paid("imp_2"))
    async with house.recording():
        assert not await house.is_found_out()
        house.put_back()
        await until(house.is_found_out, "nothing came, and it is noticed")


async def test_a_copy_that_comes_under_a_write_is_found_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder has read entries, and history is swapped before it writes them: the copy lacks those before."""
    async with house.recording():
        pass
    await house.keep_copy()
    await house.driver.look(paid("imp_2"))
    async with house.recording():
        pass
    write, writes = house.history.record_all, 0

    async def swap_and_write(moves: Sequence[Move], entries: Iterable[Packed]) -> bool:
        nonlocal writes
        writes += 1
        if writes == 1:
            house.put_back()
        return await write(moves, entries)

    monkeypatch.setattr(house.history, "record_all", swap_and_write)
    await house.driver.look(paid("imp_3"))
    async with house.recording():
        await until(house.is_found_out, "it is noticed")
    assert writes


async def test_another_relays_history_is_refused(house: House) -> None:
    """Nothing is written there, and a process that has worked with this one's ends with one line."""
    async with house.recording():
        pass
    await house.history.hand_over("ldg_other")
    await house.driver.look(paid("imp_2"))
    await Recorder(house.ledger.outbox, house.history, "me", QUICK).step()
    assert await house.history.payments.some([("default", "imp_2")]) == {}
    assert not await house.nothing_waits()
    assert not await house.is_found_out()
    with pytest.raises(BadSetting, match=r"this is the history of another ledger \(ldg_other\)"):
        await house.open()


async def test_a_history_that_cannot_be_used_ends_no_process(house: House) -> None:
    """What ends a process that starts is waited for by one that works: callbacks go on without history."""
    async with house.recording():
        pass
    if house.postgres is None:
        house.remove_file()
        house.file.write_text("this is no database" * 100)
    else:
        house.administer('DROP DATABASE "{name}" WITH (FORCE)')
    with pytest.raises(HistoryUnavailable, match=r"not an SQLite database|there is no such database"):
        await house.open()
