"""The spool when its disk or its file is not in order: a refusal, never a false promise."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import structlog

from receiver import spool as spooling
from receiver import spool_drain
from receiver.interfaces import Postponed
from receiver.spool import FileSpool
from schemas.errors import LedgerUnavailable, SpoolUnavailable
from schemas.payments.notification import Notification
from tests.support.reasons import said
from tests.support.receiver_parts import ListedLedger, MakeSpool, away, files, keep, notification


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """While the block runs no file of this process grows beyond so many bytes, as on a disk whose quota is used up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_spool_refuses_and_takes_again_when_there_is_room(tmp_path: Path, spool_at: MakeSpool) -> None:
    """A file at its limit is a refusal, never a false promise: all that was accepted comes out, no more."""
    spool, ledger = spool_at(tmp_path, max_bytes=64 * 1024), ListedLedger()
    accepted: list[Notification] = []

    async def fill() -> None:
        for number in range(10_000):
            accepted.extend(await keep(spool, number))

    with pytest.raises(SpoolUnavailable, match="full"):
        await fill()
    assert accepted
    assert "full" in said(await spool.trouble())
    await spool.drain(ledger.accept)
    assert ledger.taken == accepted
    assert await spool.trouble() is None
    await keep(spool, 10_001)


@pytest.mark.parametrize("damage", [b"this is no database" * 1000, b"SQLite format 3\0" + b"\xff" * 8192])
async def test_a_damaged_file_refuses(tmp_path: Path, spool_at: MakeSpool, damage: bytes) -> None:
    """A file that is not in order is not written to."""
    (tmp_path / "spool-0.sqlite").write_bytes(damage)
    spool = spool_at(tmp_path)
    with pytest.raises(SpoolUnavailable):
        await keep(spool, 1)
    assert await spool.trouble() is not None
    assert (tmp_path / "spool-0.sqlite").read_bytes() == damage


async def test_damage_in_the_middle_is_found_when_the_file_is_opened(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Pages behind an intact first one are checked as well."""
    first = FileSpool(tmp_path)
    await asyncio.gather(*(first.accept(notification(number)) for number in range(500)))
    await first.close()
    with (tmp_path / "spool-0.sqlite").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xaa" * 8 * 4096)
    with pytest.raises(SpoolUnavailable):
        await keep(spool_at(tmp_path), 1)


async def test_a_file_removed_under_the_spool_is_noticed(tmp_path: Path, spool_at: MakeSpool) -> None:
    """A row in a file that was removed or replaced is not acknowledged; the next one goes into a new file."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    await keep(spool, 1)
    for path in files(tmp_path):
        path.unlink()
    with pytest.raises(SpoolUnavailable):
        await keep(spool, 2)
    await keep(spool, 3)
    await spool.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_3"]


async def test_a_file_overwritten_under_the_spool_is_noticed(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Nothing is promised into a file that cannot be read again."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    await keep(spool, 1)
    with (tmp_path / "spool-0.sqlite").open("r+b") as file:
        file.write(b"\0" * 4096)
    with pytest.raises(SpoolUnavailable):
        await keep(spool, 2)
    await keep(spool, 3)  # SQLite had page 1 in its log still, and has written it back
    await spool.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_1", "imp_3"]


async def test_a_lock_removed_under_two_spools_does_not_make_them_share_a_file(
    tmp_path: Path, spool_at: MakeSpool
) -> None:
    """Whoever has lost its lock takes the next file; nothing is lost, and what waits is counted once."""
    first, second, ledger = spool_at(tmp_path), spool_at(tmp_path), ListedLedger()
    kept = await keep(first, 1)
    (tmp_path / "spool-0.lock").unlink()
    kept += await keep(second, 2)
    with pytest.raises(SpoolUnavailable, match="lock"):
        await keep(first, 3)
    kept += await keep(first, 4)
    assert (tmp_path / "spool-1.sqlite").exists()
    await second.drain(ledger.accept)
    await first.drain(ledger.accept)
    assert (first.waiting, second.waiting) == (0, 0)
    assert sorted(one.id for one in ledger.taken) == sorted(one.id for one in kept)


@contextmanager
def no_more_files() -> Iterator[None]:
    """While the block runs this process can open nothing more."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_folder_that_cannot_be_read_is_trouble_of_the_spool(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Looking for other processes' files needs a descriptor; without one that is said, and tried again."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    assert await spool.trouble() is None
    with no_more_files(), pytest.raises(SpoolUnavailable, match="cannot be used: Too many open files"):
        await spool.drain(ledger.accept)
    assert await spool.drain(ledger.accept) == 0


async def test_a_folder_that_cannot_be_made_refuses(tmp_path: Path, spool_at: MakeSpool) -> None:
    """A path that leads through a file keeps nothing."""
    (tmp_path / "file").write_text("")
    spool = spool_at(tmp_path / "file" / "spool")
    with pytest.raises(SpoolUnavailable):
        await keep(spool, 1)
    assert await spool.trouble() is not None


@pytest.mark.parametrize("size", [10, 3500])
@pytest.mark.parametrize("is_left_behind", [False, True])
async def test_a_disk_without_room_to_remove_rows_is_drained_once_and_freed(
    tmp_path: Path, spool_at: MakeSpool, monkeypatch: pytest.MonkeyPatch, size: int, *, is_left_behind: bool
) -> None:
    """SQLite needs room to remove a row. Where the spool itself has filled the disk, that would never come: its file is
    removed as a whole, once the ledger has all of it."""
    monkeypatch.setattr(spooling, "REOPEN", 0.0)
    spool, ledger, accepted = spool_at(tmp_path), ListedLedger(), list[Notification]()

    async def keeps(number: int) -> bool:
        one = replace(notification(number), extra=b'{"a":"%s"}' % (b"x" * size))
        try:
            await spool.accept(one)
        except SpoolUnavailable:
            return False
        accepted.append(one)
        return True

    with files_of_at_most(128 * 1024):
        refused = 0
        while refused < 20:
            refused = 0 if await keeps(len(accepted)) else refused + 1
        if is_left_behind:
            for file in files(tmp_path):
                if file.suffix != ".lock":
                    shutil.copy(file, tmp_path / file.name.replace("0", "1"))
        await spool.drain(ledger.accept)
        await spool.drain(ledger.accept)
        assert ledger.taken == accepted
        assert ledger.calls == len(accepted) * (2 if is_left_behind else 1)
        assert spool.waiting == 0
        await keep(spool, 10_001)
    await spool.drain(ledger.accept)
    assert len(ledger.taken) == len(accepted) + 1
    assert not any(file.name.startswith("spool-1.sqlite") for file in files(tmp_path))
    assert sum(file.stat().st_size for file in files(tmp_path)) < 96 * 1024


async def test_an_unreadable_row_on_a_full_disk_holds_up_no_other(tmp_path: Path, spool_at: MakeSpool) -> None:
    """There is no room to set it aside. The rows behind it are passed on, once; it stays, is logged once, and is set
    aside when there is room."""
    first = FileSpool(tmp_path)
    await keep(first, 10_001)
    await first.close()
    with closing(sqlite3.connect(tmp_path / "spool-0.sqlite")) as database, database:
        database.execute("INSERT INTO waiting (row) VALUES (?)", (b'{"v":99}',))
    spool, ledger = spool_at(tmp_path), ListedLedger()
    with files_of_at_most(128 * 1024), structlog.testing.capture_logs() as lines:
        accepted = 1 + await fill(spool)
        for _ in range(3):
            await spool.drain(ledger.accept)
        assert (len(ledger.taken), ledger.calls) == (accepted, accepted)
    assert [line["event"] for line in lines].count("spooled_row_unreadable") == 1
    await spool.drain(ledger.accept)
    await spool.drain(ledger.accept)
    assert spool.waiting == 0
    assert len(set(ledger.imp_uids)) == accepted
    await spool.close()
    with closing(sqlite3.connect(tmp_path / "spool-0.sqlite")) as database:
        assert database.execute("SELECT row FROM unreadable").fetchall() == [(b'{"v":99}',)]


async def test_a_postponed_row_is_not_removed_with_its_file(tmp_path: Path, spool_at: MakeSpool) -> None:
    """A disk without room has the drained file removed as a whole: not while a row in it waits."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    await keep(spool, 1, 2, 3)
    ledger.fails_for["imp_2"] = Postponed("a bug")
    with files_of_at_most(4096):
        await spool.drain(ledger.accept)
        await spool.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_1", "imp_3"]
    ledger.fails_for.clear()
    await spool.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_1", "imp_3", "imp_2"]
    assert spool.waiting == 0


async def fill(spool: FileSpool) -> int:
    """Accept webhooks until there is no room; how many there was room for."""
    for number in count(0):
        try:
            await spool.accept(replace(notification(number), extra=b'{"a":"%s"}' % (b"x" * 3500)))
        except SpoolUnavailable:
            return number
    raise AssertionError("a disk without end")


async def test_a_new_file_is_not_taken_for_an_old_one_of_its_name(
    tmp_path: Path, spool_at: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that could not be made smaller was passed over up to some row, drained and removed by another process, and
    made anew: what waits in the new one is not passed over, and is not removed with it."""
    monkeypatch.setattr(spooling, "LOOK_FOR_ORPHANS", 0.0)
    monkeypatch.setattr(spool_drain, "BATCH", 2)
    living, killed, ledger = spool_at(tmp_path), spool_at(tmp_path / "killed"), ListedLedger()
    await living.drain(ledger.accept)
    with files_of_at_most(128 * 1024):
        accepted = await fill(killed)
        for file in files(tmp_path / "killed"):
            shutil.copy(file, tmp_path / file.name.replace("0", "1"))
        ledger.fails_for["imp_3"] = away()
        with pytest.raises(LedgerUnavailable):
            await living.drain(ledger.accept)
    ledger.fails_for.clear()
    gone, other = FileSpool(tmp_path), spool_at(tmp_path)
    await keep(gone, 10_001)
    await keep(other, 10_002)
    await gone.close()
    await other.drain(ledger.accept)
    assert len(ledger.taken) == accepted + 2
    assert not (tmp_path / "spool-1.sqlite").exists()
    later = FileSpool(tmp_path)
    await keep(later, 10_003)
    await later.close()
    await living.drain(ledger.accept)
    assert ledger.imp_uids[-1] == "imp_10003"


async def test_of_a_new_file_all_is_passed_on_while_redis_may_lose_it(
    tmp_path: Path, spool_at: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stays in the spool is given to Redis once; a file that was removed and made anew has other rows."""
    monkeypatch.setattr(spooling, "LOOK_FOR_ORPHANS", 0.0)
    living, dead, ledger = spool_at(tmp_path), FileSpool(tmp_path), ListedLedger()
    await living.drain(ledger.accept)
    await keep(dead, 1, 2)
    await dead.close()
    await living.drain(ledger.accept, keep=True)
    await living.drain(ledger.accept, keep=True)
    assert ledger.calls == 2
    await living.drain(ledger.accept)
    assert not (tmp_path / "spool-1.sqlite").exists()
    later = FileSpool(tmp_path)
    await keep(later, 3)
    await living.drain(ledger.accept, keep=True)
    await later.close()
    await living.drain(ledger.accept, keep=True)
    assert ledger.imp_uids == ["imp_1", "imp_2", "imp_3"]


async def test_a_file_system_without_locks_is_a_refusal(
    tmp_path: Path, spool_at: MakeSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems of a network have no locks: that is said at once, in words, and nothing is left open."""

    def no_locks(_file: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    spool = spool_at(tmp_path)
    with pytest.raises(SpoolUnavailable, match="No locks available"):
        await keep(spool, 1)
    assert "No locks" in said(await spool.trouble())
    with pytest.raises(SpoolUnavailable, match="No locks available"):
        await spool.drain(ListedLedger().accept)
