"""History's database, to be broken: PostgreSQL where it is installed, else an SQLite file."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Protocol

from tests.support.postgres import Postgres
from tests.support.proxies import TcpProxy
from tests.support.waiting import PATIENCE

DELAY = 1.5
"""Seconds that each piece of data takes while the database is slow."""


class HistoryDatabase(Protocol):
    """What may happen to it. `url` is past the proxy, `reached_at` through it, if there is one."""

    @property
    def url(self) -> str: ...

    @property
    def reached_at(self) -> str: ...

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...

    async def take_away(self) -> None:
        """From now on nothing is read or written, or at least nothing is written."""

    async def bring_back(self) -> None:
        """It is as it was."""

    async def fill(self, writers: Iterable[int]) -> None:
        """Leave these processes no room for anything new."""

    async def make_room(self, writers: Iterable[int]) -> None:
        """Let them write again."""

    async def slow_down(self) -> None:
        """Let everything take seconds."""

    async def speed_up(self) -> None:
        """Let it be as fast as it was."""

    async def copy(self) -> None:
        """Keep a copy of it as it is now."""

    async def put_back(self) -> None:
        """Make it what the copy is; nobody may have it open."""


class PostgresDatabase:
    """A database of a server of the test's own."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._way = TcpProxy(server.port)
        self.url = server.create("history")

    @property
    def reached_at(self) -> str:
        """As `HistoryDatabase` says."""
        return self.url.replace(f":{self._server.port}/", f":{self._way.port}/")

    async def __aenter__(self) -> None:
        await self._way.start()

    async def __aexit__(self, *_: object) -> None:
        await self._way.stop()

    async def take_away(self) -> None:
        """SIGKILL to all of the server."""
        await asyncio.to_thread(self._server.kill)

    async def bring_back(self) -> None:
        """Start it; it recovers from its log."""
        await asyncio.to_thread(self._server.start)

    async def fill(self, writers: Iterable[int]) -> None:
        """Every row that is written fails as on a disk that is full: behind the place, which is written before it."""
        await asyncio.to_thread(self._server.execute, _FULL, "history")

    async def make_room(self, writers: Iterable[int]) -> None:
        """Take that back."""
        await asyncio.to_thread(self._server.execute, "DROP FUNCTION disk_is_full() CASCADE", "history")

    async def slow_down(self) -> None:
        """As `HistoryDatabase` says."""
        self._way.delay = DELAY

    async def speed_up(self) -> None:
        """As `HistoryDatabase` says."""
        self._way.delay = 0

    async def copy(self) -> None:
        """Of the server's files, for which it is stopped a moment."""
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.copy, "data", "copy")
        await asyncio.to_thread(self._server.start)

    async def put_back(self) -> None:
        """As `HistoryDatabase` says."""
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.copy, "copy", "data")
        await asyncio.to_thread(self._server.start)


_FULL = """
CREATE FUNCTION disk_is_full() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['notification', 'payment', 'event', 'delivery', 'attempt'] LOOP
    EXECUTE format('CREATE TRIGGER disk_is_full AFTER INSERT ON %I EXECUTE FUNCTION disk_is_full()', t);
  END LOOP;
END $$
"""


class SqliteDatabase:
    """A file. No server can be killed: somebody who holds it for writing takes it away from all others."""

    def __init__(self, path: Path) -> None:
        self.url = self.reached_at = f"sqlite:///{path}"
        self._path = path
        self._copy = path.parent / "copy" / path.name
        self._holder: sqlite3.Connection | None = None

    async def __aenter__(self) -> None:
        """Nothing has to be started."""

    async def __aexit__(self, *_: object) -> None:
        await self.bring_back()

    async def take_away(self) -> None:
        """Hold it."""
        await asyncio.to_thread(self._hold)

    async def bring_back(self) -> None:
        """Let go of it."""
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    async def fill(self, writers: Iterable[int]) -> None:
        """No file may be written to any more."""
        _limit(writers, 0)

    async def make_room(self, writers: Iterable[int]) -> None:
        """As `HistoryDatabase` says."""
        _limit(writers, resource.RLIM_INFINITY)

    async def slow_down(self) -> None:
        """Hold it, for seconds."""
        await self.take_away()

    async def speed_up(self) -> None:
        """Let go of it."""
        await self.bring_back()

    async def copy(self) -> None:
        """As `HistoryDatabase` says."""
        await asyncio.to_thread(_copy, self._path, self._copy)

    async def put_back(self) -> None:
        """As `HistoryDatabase` says."""
        for path in self._path.parent.glob(f"{self._path.name}*"):
            path.unlink()
        await asyncio.to_thread(_copy, self._copy, self._path)

    def _hold(self) -> None:
        self._holder = sqlite3.connect(self._path, PATIENCE, isolation_level=None, check_same_thread=False)
        self._holder.execute("BEGIN IMMEDIATE")


def _copy(path: Path, to: Path) -> None:
    """Copy a database, as `sqlite3 … .backup` does."""
    to.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def _limit(writers: Iterable[int], size: int) -> None:
    """How long a file of these processes may become, in bytes: what goes beyond that fails."""
    for pid in writers:
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))
