"""An SQLite file that only its owner may read. Connections never make it, and notice if it is replaced.

A connection keeps using the file that it opened even if that was deleted or replaced, and then others never see its
writes. So each use checks that its connection has the file that is there now.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import NoneType
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-16384", "wal_autocheckpoint=8000")
"""FULL: committed entries are trimmed from the outbox, so they must survive a power cut. A longer log is merged less
often, and a page that every batch changes is merged only once each time."""
_LOGS = ("-wal", "-shm")

# Python's driver looks for an adapter of a value of these types, finds none, and stores the value as it is. The search
# takes half a microsecond, and a payment has about twenty such values. A registered adapter is found at once.
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(bytes, memoryview)
sqlite3.register_adapter(NoneType, lambda none: none)


def make_file(path: Path) -> None:
    """Make an SQLite file that only its owner may read; SQLite gives its log the same mode. If an earlier file of this
    name has left its log behind, the log is removed first: SQLite would take it for the new file's. Raises `OSError`.

    An existing file is not opened: closing it would release all locks that this process has on it. Then the next
    process that closes the file would take itself for the last one, and remove the log with all later commits.
    """
    path = path.resolve()  # of a link, the target and its folder
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with _only_one(path.parent):
        if path.exists():
            return
        for log in _LOGS:
            path.with_name(path.name + log).unlink(missing_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Let one process at a time in."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


class _Connection(sqlite3.Connection):
    """A connection that knows which file it has opened."""

    file: tuple[int, int] | None = None


def make_engine(path: Path, *, connections: int, patience: float) -> Engine:
    """At most `connections` connections to the file at a path. They never make a missing file. Each waits `patience`
    seconds for another writer."""
    url = f"file:{quote(os.path.abspath(path))}?mode=rw"  # noqa: PTH100  # links are followed each time

    def connect() -> sqlite3.Connection:
        file = _identity(path)
        opened = sqlite3.connect(
            url, patience, uri=True, factory=_Connection, check_same_thread=False, isolation_level=None
        )
        opened.file = file
        try:
            for pragma in _PRAGMAS:
                opened.execute(f"PRAGMA {pragma}").fetchall()
        except sqlite3.Error:
            opened.close()
            raise
        return opened

    def check(connection: Any, _record: object, _fairy: object) -> None:
        if connection.file != _identity(path):
            raise DisconnectionError

    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(path)), creator=connect, pool_size=connections, max_overflow=0
    )
    event.listen(engine, "checkout", check)
    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path; None if there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None
