"""The spool when its disk or its file is not in order: a refusal, never a false promise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from receiver.spool import FileSpool
from schemas.errors import SpoolUnavailable
from schemas.notification import Notification
from tests.receiver.keeping import ListedLedger, MakeSpool, files, keep, notification


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
    assert "full" in (await spool.trouble() or "")
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
    """Nothing is promised into a file that nobody will find again; the next one goes into a new file."""
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


async def test_a_folder_that_cannot_be_made_refuses(tmp_path: Path, spool_at: MakeSpool) -> None:
    """A path that leads through a file keeps nothing."""
    (tmp_path / "file").write_text("")
    spool = spool_at(tmp_path / "file" / "spool")
    with pytest.raises(SpoolUnavailable):
        await keep(spool, 1)
    assert await spool.trouble() is not None
