"""A database that is away, locked, full, read-only, hanging or damaged: one error, nobody blocked, nothing lost."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random, randrange
from tempfile import TemporaryDirectory

import pytest

from history import History, connection
from history.pages import PageRequest
from history.write import Move
from runtime.history_url import parse
from schemas.errors import HistoryUnavailable
from tests.support.outbox_entries import of_payment, packed
from tests.support.payments import T0
from tests.support.postgres import Postgres


async def opened(url: str) -> History:
    """A prepared history."""
    history = History.connect(parse(url))
    await history.prepare()
    return history


async def recorded(history: History, number: int) -> bool:
    """Record one payment as the only entry of a step."""
    after = f"{number - 1}-0"
    return await history.record_all([Move("07", after, f"{number}-0")], packed(of_payment(number)))


async def turns_during(work: Awaitable[object]) -> int:
    """How often the event loop went round while this was under way, which fails; in vain it looks every 10 ms."""
    turns, running = 0, asyncio.ensure_future(work)
    while not running.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert isinstance(running.exception(), HistoryUnavailable)
    return turns


async def test_questions_that_take_too_long_end(tmp_path: Path) -> None:
    """SQLite's threads are few: whoever asks next must find one."""
    url = f"sqlite:///{tmp_path / 'history.db'}"
    await opened(url)
    database = connection.open_database(parse(url))
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    for _ in range(2 * connection.POOL):
        with pytest.raises(HistoryUnavailable):
            await database.read(lambda asked: asked.exec_driver_sql(endless).scalar(), 0.05)
    assert await database.read(lambda asked: asked.exec_driver_sql("SELECT 1").scalar()) == 1
    await database.close()


async def test_postgresql_is_stopped_and_started(own_postgres: Postgres) -> None:
    """While it is away everything says so; afterwards everything works, and nothing is missing."""
    history = await opened(own_postgres.create("history"))
    assert await recorded(history, 1)
    own_postgres.kill()
    for use in (recorded(history, 2), history.payments.list(PageRequest()), history.ping(), history.place("07")):
        with pytest.raises(HistoryUnavailable):
            await use
    own_postgres.start()
    assert await history.place("07") == "1-0"
    assert await recorded(history, 2)
    assert len((await history.payments.list(PageRequest())).rows) == 2
    await history.close()


async def test_postgresql_hangs(own_postgres: Postgres) -> None:
    """A server that answers nothing is given up after a while; the event loop goes on, and so does all of it later."""
    history = await opened(own_postgres.create("history"))
    assert await recorded(history, 1)
    own_postgres.pause()
    assert await turns_during(history.ping(patience=1.0)) >= 10
    own_postgres.resume()
    assert await recorded(history, 2)
    await history.close()


async def test_whoever_is_cancelled_ends(history_url: str) -> None:
    """At whatever moment it comes, a cancellation is no trouble of the database, or a task that is to stop would try
    again for ever; the connections can be used afterwards."""
    await (await opened(history_url)).close()
    database, rng = connection.open_database(parse(history_url)), Random(seed := randrange(1_000_000))
    print(f"seed {seed}")  # noqa: T201  # pytest shows it where the test fails
    question = "SELECT pg_sleep(0.001)" if history_url.startswith("postgresql") else "SELECT 1"

    async def ask() -> None:
        while True:
            await database.read(lambda asked: asked.exec_driver_sql(question).scalar())

    asking = {asyncio.create_task(ask()) for _ in range(connection.POOL)}
    for _ in range(300):
        await asyncio.sleep(rng.uniform(0, 0.01))
        asking.add(asyncio.create_task(ask()))
        cancelled = asking.pop()
        cancelled.cancel()
        _, running = await asyncio.wait([cancelled], timeout=10)
        assert not running, f"seed {seed}: it goes on"
        assert cancelled.cancelled(), f"seed {seed}: {cancelled.exception()}"
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    assert await database.read(lambda asked: asked.exec_driver_sql("SELECT 1").scalar()) == 1
    await database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where an SQLite file may be."""
    return tmp_path / "history.db"


async def test_somebody_holds_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write waits, then gives up, beside the event loop; reads go on; afterwards the same batch is written."""
    monkeypatch.setattr(connection, "BUSY", 0.5)
    history = await opened(f"sqlite:///{path}")
    assert await recorded(history, 1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    assert await turns_during(recorded(history, 2)) >= 10
    assert len((await history.payments.list(PageRequest())).rows) == 1
    holder.execute("ROLLBACK")
    holder.close()
    assert await recorded(history, 2)
    await history.close()


_READER = """
import asyncio, os, sys
from history import History
from history.pages import PageRequest
from history.write import Move
from runtime.history_url import parse
from schemas.errors import HistoryUnavailable
from tests.support.outbox_entries import of_payment, packed
from tests.support.payments import T0

async def main():
    os.setgroups([])
    os.setuid(65534)
    history = History.connect(parse(sys.argv[1]))
    try:
        await history.record_all([Move("07", "1-0", "2-0")], packed(of_payment(2)))
    except HistoryUnavailable as error:
        print(error)

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else, who may not write")
async def test_a_file_that_may_not_be_written() -> None:
    """A batch is refused whole, and written once the file may be."""
    with TemporaryDirectory(prefix="relay-history-") as directory:
        path = Path(directory) / "history.db"
        history = await opened(f"sqlite:///{path}")
        assert await recorded(history, 1)
        _only_readable(path.parent)
        root = Path(__file__).parents[2]
        reader = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _READER, f"sqlite:///{path}", stdout=subprocess.PIPE, cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
        )  # fmt: skip
        said, _ = await reader.communicate()
        assert b"readonly" in said or b"unable to open" in said
        assert await history.place("07") == "1-0"
        assert await recorded(history, 2)
        await history.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_the_disk_is_full(small_disk: Path) -> None:
    """A batch that has no room is not there at all; once there is room, the same one is written."""
    history = await opened(f"sqlite:///{small_disk}/history.db")
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 1_500_000)
    number = 0
    with suppress(HistoryUnavailable):
        while number < 3000:
            assert await recorded(history, number + 1)
            number += 1
    with pytest.raises(HistoryUnavailable, match="full"):
        await recorded(history, number + 1)
    assert await history.place("07") == f"{number}-0"
    assert await history.exports.count("payments") == number
    filler.unlink()
    assert await recorded(history, number + 1)
    assert await history.exports.count("payments") == number + 1
    await history.close()


async def test_a_damaged_file(path: Path) -> None:
    """It is said, not guessed at."""
    history = await opened(f"sqlite:///{path}")
    for number in range(1, 40):
        assert await recorded(history, number)
    await history.close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _damage(path)
    history = History.connect(parse(f"sqlite:///{path}"))
    with pytest.raises(HistoryUnavailable, match="malformed"):
        await history.payments.list(PageRequest())
    await history.close()


def _only_readable(folder: Path) -> None:
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o444)


def _damage(path: Path) -> None:
    """All pages but the first, which says what the file is."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


async def test_trouble_shows_no_secret(postgres_server: Postgres) -> None:
    """Neither the password nor what was to be written stands in an error."""
    url = postgres_server.create("secretive").replace("relay@", "relay:geheim@").replace(str(postgres_server.port), "1")
    history = History.connect(parse(url))
    with pytest.raises(HistoryUnavailable) as found:
        await recorded(history, 1)
    assert "geheim" not in str(found.value)
    assert "홍길동" not in str(found.value)
    await history.close()


async def test_retention_that_could_not_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next step does what the one before it could not; nothing is passed over."""
    monkeypatch.setattr(connection, "BUSY", 0.2)
    history = await opened(f"sqlite:///{path}")
    assert await recorded(history, 1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    for _ in range(3):
        with pytest.raises(HistoryUnavailable):
            await history.retention.step(T0 + 86400)
    holder.execute("ROLLBACK")
    holder.close()
    while await history.retention.step(T0 + 86400):
        pass
    assert await history.exports.count("payments") == 0
    await history.close()
