"""The spool: SQLite on a real disk, full, damaged, removed and left behind."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from receiver import spool_codec
from receiver.no_spool import NoSpool
from receiver.spool import FileSpool
from schemas.errors import LedgerUnavailable, SpoolUnavailable
from schemas.payments.notification import Notification
from tests.support.processes import clean_environ
from tests.support.receiver_parts import ListedLedger, MakeSpool, away, files, keep, notification
from tests.support.traces import traceparent
from tests.support.waiting import PATIENCE


def test_a_row_says_everything_about_a_notification() -> None:
    """What is written is what is read, field by field."""
    one = notification(7, token_hash="a" * 64)
    traced = replace(one, traceparent=traceparent(1))
    for each in (one, traced):
        assert spool_codec.decode(spool_codec.encode(each)) == each
    assert b"traceparent" not in spool_codec.encode(one)


@pytest.mark.parametrize(
    "row", [b"", b"{", b"[]", b'{"v":2}', b'{"v":1}', b'{"v":1,"id":"a","merchant":1,"imp_uid":"x"}']
)
def test_what_is_no_row_is_a_value_error(row: bytes) -> None:
    """Damaged rows and rows of a newer version are recognised."""
    with pytest.raises(ValueError, match=r".*"):
        spool_codec.decode(row)


async def test_what_was_accepted_comes_out_in_order(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Notifications reach the ledger oldest first, whole, and are then gone from the spool."""
    spool, ledger = spool_at(tmp_path / "new" / "spool"), ListedLedger()
    kept = await keep(spool, *range(20))
    assert spool.waiting == 20
    assert await spool.drain(ledger.accept) == 20
    assert ledger.taken == kept
    assert spool.waiting == 0
    assert await spool.drain(ledger.accept) == 0


async def test_what_waits_together_is_all_kept(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Thousands of concurrent accepts share a few transactions and lose nothing."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    await asyncio.gather(*(spool.accept(notification(number)) for number in range(3000)))
    await spool.drain(ledger.accept)
    assert sorted(ledger.imp_uids) == sorted(f"imp_{number}" for number in range(3000))


async def test_a_spool_outlives_its_process_object(tmp_path: Path, spool_at: MakeSpool) -> None:
    """What one spool kept, the next one in the same folder hands over."""
    first = FileSpool(tmp_path)
    kept = await keep(first, 1, 2)
    await first.close()
    ledger = ListedLedger()
    await spool_at(tmp_path).drain(ledger.accept)
    assert ledger.taken == kept


async def test_a_failing_ledger_loses_nothing(tmp_path: Path, spool_at: MakeSpool) -> None:
    """What the ledger does not take stays, and what it took is not handed over again."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    await keep(spool, 1, 2, 3)

    async def only_odd(one: Notification) -> None:
        if one.imp_uid == "imp_2":
            raise away()
        await ledger.accept(one)

    with pytest.raises(LedgerUnavailable):
        await spool.drain(only_odd)
    assert (ledger.imp_uids, spool.waiting) == (["imp_1", "imp_3"], 1)
    await spool.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_1", "imp_3", "imp_2"]
    assert ledger.calls == 3


async def test_what_is_kept_stays_until_it_is_drained_for_good(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Draining with `keep` hands each row over once and leaves it in the file; without, all go and are removed."""
    spool, weak, durable = spool_at(tmp_path), ListedLedger(), ListedLedger()
    await keep(spool, 1, 2)
    assert await spool.drain(weak.accept, keep=True) == 2
    assert await spool.drain(weak.accept, keep=True) == 0
    await keep(spool, 3)
    assert await spool.drain(weak.accept, keep=True) == 1
    assert spool.waiting == 3
    assert await spool.drain(durable.accept) == 3
    assert durable.imp_uids == weak.imp_uids == ["imp_1", "imp_2", "imp_3"]
    assert spool.waiting == 0


async def test_spools_share_a_folder(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Two living processes use two files, and neither drains the other's."""
    first, second, ledger = spool_at(tmp_path), spool_at(tmp_path), ListedLedger()
    await keep(first, 1)
    await keep(second, 2)
    await second.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_2"]
    await first.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_2", "imp_1"]


async def test_the_file_of_a_process_that_is_gone_is_drained_by_another(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Any living spool hands over what a dead one left, and clears its file away."""
    living, dead, ledger = spool_at(tmp_path), FileSpool(tmp_path), ListedLedger()
    await keep(living, 1)
    await keep(dead, 2)
    await dead.close()
    await living.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_1", "imp_2"]
    assert [path.name for path in files(tmp_path) if path.suffix == ".sqlite"] == ["spool-0.sqlite"]


async def test_unreadable_rows_are_set_aside(tmp_path: Path, spool_at: MakeSpool) -> None:
    """An unreadable row holds up no other, and is stored where a person can examine it."""
    first = FileSpool(tmp_path)
    await keep(first, 1)
    await first.close()
    with sqlite3.connect(tmp_path / "spool-0.sqlite") as database:
        database.execute("INSERT INTO waiting (row) VALUES (?)", (b'{"v":99}',))
    database.close()
    spool, ledger = spool_at(tmp_path), ListedLedger()
    await keep(spool, 2)
    await spool.drain(ledger.accept)
    assert ledger.imp_uids == ["imp_1", "imp_2"]
    assert spool.waiting == 0
    await spool.close()
    with sqlite3.connect(tmp_path / "spool-0.sqlite") as database:
        assert database.execute("SELECT row FROM unreadable").fetchall() == [(b'{"v":99}',)]
    database.close()


async def test_a_drained_spool_gives_its_room_back(tmp_path: Path, spool_at: MakeSpool) -> None:
    """After an outage the file is small again."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    await asyncio.gather(*(spool.accept(notification(number)) for number in range(2000)))
    await spool.drain(ledger.accept)
    assert (tmp_path / "spool-0.sqlite").stat().st_size < 64 * 1024


async def test_nobody_else_can_read_the_spool(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Buyers' data may be in it: its files and their folder are this user's alone."""
    spool = spool_at(tmp_path / "spool")
    await keep(spool, 1)
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert len(files(tmp_path / "spool")) == 4
    assert not any(path.stat().st_mode & 0o077 for path in files(tmp_path / "spool"))


async def test_a_spool_that_is_switched_off_keeps_nothing() -> None:
    """`RELAY_SPOOL_DIR=off` refuses everything."""
    spool = NoSpool()
    with pytest.raises(SpoolUnavailable):
        await spool.accept(notification())
    assert await spool.drain(ListedLedger().accept) == 0
    assert await spool.trouble() is not None


_WRITER = """
import asyncio, sys
from pathlib import Path
from receiver.spool import FileSpool
from tests.support.receiver_parts import notification

async def main():
    spool = FileSpool(Path(sys.argv[1]))
    async def one(number):
        await spool.accept(notification(number))
        sys.stdout.write(f"imp_{number}\\n")
        sys.stdout.flush()
    for start in range(0, 10**9, 50):
        await asyncio.gather(*map(one, range(start, start + 50)))

asyncio.run(main())
"""


def acknowledged_before_sigkill(folder: Path) -> set[str]:
    """Run a process that fills a spool, kill it in the middle of that; what it had acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder)], env=clean_environ(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        printed = [process.stdout.readline() for _ in range(400)]
    finally:
        process.kill()
    printed += process.stdout.readlines()
    process.wait(PATIENCE)
    process.stdout.close()
    return {line.strip() for line in printed if line.endswith("\n")}


async def test_what_was_acknowledged_survives_sigkill(tmp_path: Path, spool_at: MakeSpool) -> None:
    """Every notification that a killed process had acknowledged comes out of its file."""
    acknowledged = await asyncio.to_thread(acknowledged_before_sigkill, tmp_path)
    ledger = ListedLedger()
    await spool_at(tmp_path).drain(ledger.accept)
    assert len(acknowledged) >= 400
    assert acknowledged <= set(ledger.imp_uids)


async def test_accept_is_the_same_promise_everywhere(tmp_path: Path, spool_at: MakeSpool) -> None:
    """The spool accepts what a ledger accepts: twice the same id ends as one notification."""
    spool, ledger = spool_at(tmp_path), ListedLedger()
    one = notification(1)
    acceptors: list[Callable[[Notification], Awaitable[None]]] = [spool.accept, spool.accept, ledger.accept]
    for accept in acceptors:
        await accept(one)
    await spool.drain(ledger.accept)
    assert ledger.taken == [one]
