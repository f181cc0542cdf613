"""One file of the spool: SQLite, write-ahead log, every transaction synced to disk before it counts.

A file belongs to the process that holds the lock beside it; the lock goes with the process, however that ends, and the
file can then be taken by another. Everything here blocks: `spool.py` calls it from one thread.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from schemas.errors import SpoolUnavailable

PAGE_BYTES = 4096
"""SQLite's page size by default; a file's limit is counted in pages."""
_MAGIC = b"SQLite format 3\0"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS waiting (position INTEGER PRIMARY KEY AUTOINCREMENT, row BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS unreadable (position INTEGER PRIMARY KEY, row BLOB NOT NULL)",
)
_SHAPE = 1
_HARMLESS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)
"""Errors after which SQLite has undone the transaction and the open file is as good as before."""


class SpoolFile:
    """An open, locked file of rows. Whatever goes wrong is a `SpoolUnavailable`; after most errors the file is closed
    and has to be taken anew, because after a failed sync nobody knows what is on disk."""

    def __init__(self, path: Path, lock: int, max_bytes: int) -> None:
        self.path = path
        self.count = 0
        self._lock = lock
        self._file = -1
        self._database: sqlite3.Connection | None = None
        try:
            # SQLite gives its log the mode of the file, so that must be private from the start.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
            self._prepare(self._database, max_bytes)
            self._file = os.open(path, os.O_RDONLY)
            self.count = self._database.execute("SELECT count(*) FROM waiting").fetchone()[0]
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise _unavailable(error) from error

    @classmethod
    def take(cls, path: Path, max_bytes: int) -> SpoolFile | None:
        """Lock and open the file at `path`, made if need be; None while another process holds it. The lock file
        stays for good: removing it would let two processes lock two files of one name."""
        try:
            lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unavailable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return cls(path, lock, max_bytes)

    @property
    def closed(self) -> bool:
        """Whether it has to be taken anew."""
        return self._database is None

    def append(self, rows: Sequence[bytes]) -> None:
        """Write all rows or none; they are on disk when this returns."""
        with self._transaction() as database:
            database.executemany("INSERT INTO waiting (row) VALUES (?)", ((row,) for row in rows))
        self.count += len(rows)

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """The oldest rows behind a position, each with its position."""
        query = "SELECT position, row FROM waiting WHERE position > ? ORDER BY position LIMIT ?"
        with self._guarded() as database:
            return database.execute(query, (after, limit)).fetchall()

    def remove(self, positions: Sequence[int]) -> None:
        """Forget rows."""
        with self._transaction() as database:
            database.executemany("DELETE FROM waiting WHERE position = ?", ((position,) for position in positions))
        self.count -= len(positions)

    def set_aside(self, position: int) -> None:
        """Move a row that cannot be read out of the way, for people to look at."""
        with self._transaction() as database:
            database.execute("INSERT INTO unreadable SELECT * FROM waiting WHERE position = ?", (position,))
            database.execute("DELETE FROM waiting WHERE position = ?", (position,))
        self.count -= 1

    def probe(self) -> None:
        """Find out whether a row could be written now, by writing one and removing it."""
        with self._transaction() as database:
            row = database.execute("INSERT INTO waiting (row) VALUES (zeroblob(?))", (2 * PAGE_BYTES,)).lastrowid
            database.execute("DELETE FROM waiting WHERE position = ?", (row,))

    def shrink(self) -> None:
        """Give the disk back what an emptied file occupies."""
        with self._guarded() as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def leave(self) -> None:
        """Close the file, and remove it if nothing is in it. Its lock is held until then, so nobody can have begun to
        use it."""
        with self._guarded() as database:
            rows = database.execute(
                "SELECT (SELECT count(*) FROM waiting) + (SELECT count(*) FROM unreadable)"
            ).fetchone()
        self.close(discard=rows == (0,))

    def close(self, *, discard: bool = False) -> None:
        """Let go of the file and its lock; `discard` removes the file as well."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        if discard:
            self.path.unlink(missing_ok=True)
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _prepare(self, database: sqlite3.Connection, max_bytes: int) -> None:
        database.execute("PRAGMA journal_mode=WAL").fetchall()
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"PRAGMA max_page_count={max(max_bytes // PAGE_BYTES, 8)}").fetchall()
        if database.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise sqlite3.DatabaseError("the file is damaged")
        shape = database.execute("PRAGMA user_version").fetchone()[0]
        if shape > _SHAPE:
            raise sqlite3.DatabaseError(f"the file has the shape {shape} of a newer version")
        if shape < _SHAPE:
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute(f"PRAGMA user_version={_SHAPE}")
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # a file that was just made must itself survive a power cut
        finally:
            os.close(folder)

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """The connection, as long as what it writes can be found again: SQLite itself would go on writing into a file
        that was removed, replaced or overwritten under it."""
        try:
            if self._database is None:
                raise sqlite3.ProgrammingError("the file is closed")
            found = os.path.samestat(self.path.stat(), os.fstat(self._file))
            if not found or os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
                raise sqlite3.DatabaseError("the file was replaced or overwritten")
            yield self._database
        except (sqlite3.Error, OSError) as error:
            if getattr(error, "sqlite_errorcode", None) not in _HARMLESS:
                self.close()
            raise _unavailable(error) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._guarded() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise


def _unavailable(error: Exception) -> SpoolUnavailable:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return SpoolUnavailable(f"The spool cannot keep anything: {reason}.")
