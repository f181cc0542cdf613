"""The spool and its disk: what is synced, what happens when the disk is slow or hangs, what a file must look like."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from receiver import spool as spooling
from receiver.spool import FileSpool
from receiver.spool_file import PAGE_BYTES, Row, SpoolFile
from schemas.errors import SpoolUnavailable
from tests.support.reasons import said
from tests.support.receiver_parts import ListedLedger, MakeSpool, keep, notification


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While this is cleared the disk does not write; whatever happens, it does when the test ends."""
    works = threading.Event()
    works.set()
    append = SpoolFile.append

    def slow(self: SpoolFile, rows: Sequence[Row]) -> list[bool]:
        works.wait()
        return append(self, rows)

    monkeypatch.setattr(SpoolFile, "append", slow)
    yield works
    works.set()


async def test_every_transaction_is_synced(tmp_path: Path, spool_at: MakeSpool) -> None:
    """What is acknowledged survives a power cut, which no test can cause: SQLite is set to sync each commit."""
    spool = spool_at(tmp_path)
    await keep(spool, 1)
    assert spool._own is not None
    assert spool._own._database is not None
    asked = [spool._own._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert asked == ["wal", 2]


async def test_a_new_file_is_found_after_a_power_cut(
    tmp_path: Path, spool_at: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that names it is synced, before anything in it is acknowledged."""
    synced: list[int] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    folder = tmp_path.stat().st_ino  # noqa: ASYNC240
    await keep(spool_at(tmp_path), 1)
    assert folder in synced


async def test_what_waits_together_shares_a_sync(
    tmp_path: Path, spool_at: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand webhooks that come at once are a transaction or two, not a thousand."""
    spool, sizes = spool_at(tmp_path), list[int]()
    append = SpoolFile.append

    def noted(self: SpoolFile, rows: Sequence[Row]) -> list[bool]:
        sizes.append(len(rows))
        return append(self, rows)

    monkeypatch.setattr(SpoolFile, "append", noted)
    await asyncio.gather(*(spool.accept(notification(number)) for number in range(1000)))
    assert sum(sizes) == 1000
    assert len(sizes) <= 2


async def test_a_disk_that_hangs_is_a_refusal_in_time(
    tmp_path: Path, spool_at: MakeSpool, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No webhook waits for it longer than the slowest write; what it still writes afterwards is a duplicate."""
    monkeypatch.setattr(spooling, "SLOWEST_WRITE", 0.2)
    spool, ledger = spool_at(tmp_path), ListedLedger()
    disk.clear()
    async with asyncio.timeout(30):
        with pytest.raises(SpoolUnavailable, match="does not answer"):
            await keep(spool, 1)
        assert "does not answer" in said(await spool.trouble())
    disk.set()
    monkeypatch.setattr(spooling, "SLOWEST_WRITE", 30.0)
    await keep(spool, 2)
    await spool.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_1", "imp_2"]


async def test_only_so_many_wait_for_a_disk(
    tmp_path: Path, spool_at: MakeSpool, disk: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood in front of a slow disk does not fill the memory: who comes too many is refused at once."""
    monkeypatch.setattr(spooling, "MOST_WAITING", 10)
    spool, ledger = spool_at(tmp_path), ListedLedger()
    disk.clear()
    being_written = asyncio.create_task(spool.accept(notification(0)))
    for _ in range(3):
        await asyncio.sleep(0)  # it is what the writer has taken, and the writer waits for the disk
    assert spool._pending == []
    waiting = [asyncio.create_task(spool.accept(notification(number))) for number in range(1, 11)]
    await asyncio.sleep(0)
    with pytest.raises(SpoolUnavailable, match="does not keep up"):
        await keep(spool, 11)
    disk.set()
    await asyncio.gather(being_written, *waiting)
    await spool.drain(ledger.accept)
    assert len(ledger.taken) == 11


async def test_closing_finishes_what_is_being_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that stops keeps all that was handed to its spool before, however many transactions that takes."""
    monkeypatch.setattr(spooling, "WRITE_BATCH", 1)
    spool = FileSpool(tmp_path)
    accepting = [asyncio.create_task(spool.accept(notification(number))) for number in range(5)]
    await asyncio.sleep(0)
    await spool.close()
    async with asyncio.timeout(30):
        await asyncio.gather(*accepting)
    with sqlite3.connect(tmp_path / "spool-0.sqlite") as database:
        assert database.execute("SELECT count(*) FROM waiting").fetchone() == (5,)
    database.close()


async def test_damage_that_counting_rows_does_not_meet_is_found(tmp_path: Path, spool_at: MakeSpool) -> None:
    """A page whose rows cannot be reached counts them all the same: all of the file is checked when it is opened."""
    first = FileSpool(tmp_path)
    await asyncio.gather(*(first.accept(notification(number)) for number in range(500)))
    await first.close()
    path = tmp_path / "spool-0.sqlite"
    pages = path.read_bytes()
    # A leaf of a table (sqlite.org/fileformat2.html, "B-tree Pages").
    leaf = next(start for start in range(5 * PAGE_BYTES, len(pages), PAGE_BYTES) if pages[start] == 13)
    with path.open("r+b") as file:
        file.seek(leaf + 8)
        file.write(b"\xff" * 8)
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT count(*) FROM waiting").fetchone() == (500,)
    database.close()
    with pytest.raises(SpoolUnavailable):
        await keep(spool_at(tmp_path), 1)


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path, spool_at: MakeSpool) -> None:
    """An older receiver does not write into a shape that it does not know."""
    first = FileSpool(tmp_path)
    await keep(first, 1)
    await first.close()
    with sqlite3.connect(tmp_path / "spool-0.sqlite") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    with pytest.raises(SpoolUnavailable, match="newer version"):
        await keep(spool_at(tmp_path), 2)


async def test_a_file_that_cannot_be_opened_is_not_tried_for_each_webhook(
    tmp_path: Path, spool_at: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood does not check a damaged file over and over; after a moment it is looked at again."""
    (tmp_path / "spool-0.sqlite").write_bytes(b"no database" * 1000)
    opened: list[Path] = []
    take = SpoolFile.take

    def noted(path: Path, max_bytes: int) -> SpoolFile | None:
        opened.append(path)
        return take(path, max_bytes)

    monkeypatch.setattr(SpoolFile, "take", noted)
    monkeypatch.setattr(spooling, "REOPEN", 600.0)
    spool = spool_at(tmp_path)
    for _ in range(3):
        with pytest.raises(SpoolUnavailable):
            await keep(spool, 1)
    assert len(opened) == 1
    monkeypatch.setattr(spooling, "REOPEN", 0.0)
    (tmp_path / "spool-0.sqlite").unlink()
    await keep(spool, 1)
