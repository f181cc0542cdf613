"""An SQLite file: its owner's alone, made only where it is meant to be, and noticed when another is put in its place.

A connection goes on with the file that it has opened, also when that was deleted or replaced, and nothing that it
writes is there for others. So each use looks whether its connection has the file that is there now.
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
"""FULL: what is committed is trimmed from the outbox, so it has to survive a power cut. A longer log is merged less
often, and the pages that every batch changes are merged once."""
_LOGS = ("-wal", "-shm")

# Python's driver looks up how a value of these types wants to be stored, finds nothing, and stores it as it is. That
# takes half a microsecond, and a payment has about twenty of them; what is registered is found at once.
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(bytes, memoryview)
sqlite3.register_adapter(NoneType, lambda none: none)


def make_file(path: Path) -> None:
    """Make an SQLite file that only its owner may read: SQLite gives its log the mode of the file. A log that one of
    its name has left behind is removed first, as it would be taken for this one's. Raises `OSError`.

    One that is there is not opened: closing it would end all locks that this process has on it, and whoever closes the
    file next would take itself for the last one and remove the log, with what is committed to it from then on.
    """
    path = path.resolve()  # of a link, the file that it leads to, and its folder
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
    """Of all processes one at a time."""
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
    """Connections to the file at a path, which are not opened where there is none: so many at most, each of which waits
    `patience` seconds for whoever writes."""
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
    """Which file there is at a path, None where there is none."""
    with suppress(OSError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None
