"""One file of the spool: SQLite, write-ahead log, every transaction synced to disk before it counts.

A file belongs to the process that holds the lock file beside it. When the process ends, in whatever way, its lock ends
too, and another process can take the file. Everything here blocks: `spool.py` calls it from one thread.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from receiver.spool_budget import SpoolBudget
from schemas.errors import SpoolUnavailable
from schemas.reasons import Reason

PAGE_BYTES = 4096
"""SQLite's page size by default; a file's limit is counted in pages."""
_MAGIC = b"SQLite format 3\0"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS waiting (position INTEGER PRIMARY KEY AUTOINCREMENT, row BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS unreadable (position INTEGER PRIMARY KEY, row BLOB NOT NULL)",
)
# Rows of unknown merchants, and the source whose budget they count for. An older version ignores this table, so _SHAPE
# stays the same; entries of rows that an older version has drained are deleted when the file is opened again.
_BUDGET = (
    "CREATE TABLE IF NOT EXISTS unsure (position INTEGER PRIMARY KEY, source TEXT NOT NULL, size INTEGER NOT NULL)",
    "DELETE FROM unsure WHERE position NOT IN (SELECT position FROM waiting)",
)
_SHAPE = 1
_HARMLESS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_WRITE)
"""Errors after which SQLite has undone the transaction and the open file can still be used. A full disk gives
`SQLITE_FULL`, an exhausted quota or limit `SQLITE_IOERR_WRITE`."""


class _Unusable(sqlite3.DatabaseError):
    """The file must not be written to; handled like SQLite's own errors."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.code)
        self.reason = reason


class Row(NamedTuple):
    """A row to write. `budget` is None, or the source that it counts for as a row of an unknown merchant."""

    data: bytes
    budget: str | None = None


class SpoolFile:
    """An open, locked file of rows. Every error is a `SpoolUnavailable`. Most errors close the file, and it must be
    taken again: after a failed sync it is not known what is on disk."""

    def __init__(self, path: Path, lock: int, max_bytes: int) -> None:
        self.path = path
        self.count = 0
        self.unremoved = 0
        """The ledger has the rows up to this position, but they could not be removed. The position is valid only while
        this process holds the lock: afterwards another process may replace the file with a new one."""
        self.unreadable: set[int] = set()
        """Positions of unreadable rows that could not be set aside yet, as on a full disk. They keep the file alive."""
        self.budget = SpoolBudget(max_bytes)
        self._max_bytes = max_bytes
        self._lock = lock
        self._file = -1
        self._database: sqlite3.Connection | None = None
        try:
            # SQLite gives its log the mode of the file, so that must be private from the start.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._database = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
            self._prepare(self._database)
            self._file = os.open(path, os.O_RDONLY)
            self.count = self._database.execute("SELECT count(*) FROM waiting").fetchone()[0]
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise _unavailable(error) from error

    @classmethod
    def take(cls, path: Path, max_bytes: int) -> SpoolFile | None:
        """Lock and open the file at `path`, and make it if it is missing; None while another process holds it. The lock
        file is never removed: otherwise two processes could lock two different files of that name."""
        try:
            lock = os.open(_lock_of(path), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unavailable(error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            if isinstance(error, BlockingIOError):
                return None
            raise _unavailable(error) from error  # a network's file system may have no locks
        return cls(path, lock, max_bytes)

    @property
    def closed(self) -> bool:
        """Whether the file must be taken again."""
        return self._database is None

    def append(self, rows: Sequence[Row]) -> list[bool]:
        """Write the rows, all or none, except those beyond their budget; return whether each was written. They are on
        disk when this returns."""
        written = self._within_budget(rows)
        kept = [row for row, is_written in zip(rows, written, strict=True) if is_written]
        budgeted = [(place, row.budget, len(row.data)) for place, row in enumerate(kept) if row.budget is not None]
        if not kept:
            return written
        try:
            with self._transaction() as database:
                database.executemany("INSERT INTO waiting (row) VALUES (?)", ((row.data,) for row in kept))
                if budgeted:
                    # This process is the only writer, so the positions of one transaction are consecutive.
                    last = database.execute("SELECT max(position) FROM waiting").fetchone()[0]
                    first = last - len(kept) + 1
                    database.executemany("INSERT INTO unsure VALUES (? + ?, ?, ?)", ((first, *row) for row in budgeted))
        except BaseException:
            self._release((source, size) for _, source, size in budgeted)
            raise
        self.count += len(kept)
        return written

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """The oldest rows after a position, each with its own position."""
        query = "SELECT position, row FROM waiting WHERE position > ? ORDER BY position LIMIT ?"
        with self._guarded() as database:
            return database.execute(query, (after, limit)).fetchall()

    def remove(self, positions: Sequence[int]) -> None:
        """Remove rows."""
        with self._transaction() as database:
            database.executemany("DELETE FROM waiting WHERE position = ?", ((position,) for position in positions))
            settled = self._settled(database, positions)
        self.count -= len(positions)
        self._release(settled)

    def set_aside(self, position: int) -> None:
        """Move an unreadable row into a table of its own, where a person can examine it."""
        with self._transaction() as database:
            database.execute("INSERT INTO unreadable SELECT * FROM waiting WHERE position = ?", (position,))
            database.execute("DELETE FROM waiting WHERE position = ?", (position,))
            settled = self._settled(database, [position])
        self.unreadable.discard(position)
        self.count -= 1
        self._release(settled)

    def probe(self) -> None:
        """Check that a row could be written now, by writing one and removing it."""
        with self._transaction() as database:
            row = database.execute("INSERT INTO waiting (row) VALUES (zeroblob(?))", (2 * PAGE_BYTES,)).lastrowid
            database.execute("DELETE FROM waiting WHERE position = ?", (row,))

    def shrink(self) -> None:
        """Free the disk space of an emptied file."""
        with self._guarded() as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def leave(self) -> None:
        """Close the file, and remove it if it is empty. This process holds the lock until then, so no other process can
        be using the file."""
        if not self.discard(after=0):
            self.close()

    def discard(self, after: int) -> bool:
        """Close and remove the file if no row waits after this position and no row is unreadable; return whether it was
        removed. Unlike `remove` this needs no disk space, and frees some."""
        if self.unreadable:
            return False
        with self._guarded() as database:
            query = "SELECT (SELECT count(*) FROM waiting WHERE position > ?) + (SELECT count(*) FROM unreadable)"
            if database.execute(query, (after,)).fetchone() != (0,):
                return False
        try:
            self.close(discard=True)
        except OSError as error:
            raise _unavailable(error) from error
        self.count = 0
        return True

    def close(self, *, discard: bool = False) -> None:
        """Release the file and its lock; `discard` removes the file as well."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        try:
            if discard:
                # If a full disk prevents a checkpoint, SQLite leaves its write-ahead log behind. Remove the log first:
                # a new file of this name would get the old rows from it.
                for ending in ("-wal", "-shm", ""):
                    self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        finally:
            for descriptor in (self._file, self._lock):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._lock = -1

    def _within_budget(self, rows: Sequence[Row]) -> list[bool]:
        """Which of the rows may be written. These are counted in their budgets."""
        if all(row.budget is None for row in rows):
            return [True] * len(rows)
        # The budget is a share of the spool's limit, or of the disk space if that is smaller.
        with self._guarded():
            disk = os.fstatvfs(self._file)
            room = os.fstat(self._file).st_size + disk.f_bavail * disk.f_frsize
        self.budget.most_bytes = min(self._max_bytes, room)
        written = []
        for row in rows:
            fits = row.budget is None or self.budget.has_room(row.budget, len(row.data))
            if fits and row.budget is not None:
                self.budget.take(row.budget, len(row.data))
            written.append(fits)
        return written

    def _settled(self, database: sqlite3.Connection, positions: Sequence[int]) -> list[tuple[str, int]]:
        """Remove these rows from the table of unknown merchants; return source and size of each that was in it."""
        if self.budget.unspent:
            return []
        found = [
            row
            for position in positions
            for row in database.execute("SELECT source, size FROM unsure WHERE position = ?", (position,)).fetchall()
        ]
        database.executemany("DELETE FROM unsure WHERE position = ?", ((position,) for position in positions))
        return found

    def _release(self, settled: Iterable[tuple[str, int]]) -> None:
        for source, size in settled:
            self.budget.release(source, size)

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA journal_mode=WAL").fetchall()
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"PRAGMA max_page_count={max(self._max_bytes // PAGE_BYTES, 8)}").fetchall()
        if database.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise _Unusable(Reason.of("spool_file_damaged"))
        shape = database.execute("PRAGMA user_version").fetchone()[0]
        if shape > _SHAPE:
            raise _Unusable(Reason.of("spool_file_newer", shape=shape))
        if shape < _SHAPE:
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute(f"PRAGMA user_version={_SHAPE}")
        for statement in _BUDGET:
            database.execute(statement)
        for source, rows, size in database.execute("SELECT source, count(*), sum(size) FROM unsure GROUP BY source"):
            self.budget.take(source, size, rows)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the file itself must survive a power cut, too
        finally:
            os.close(folder)

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """The connection, after a check that the file and its lock file are still in place. SQLite would go on writing
        into a file that was removed, replaced or overwritten. Without the lock file, which systemd-tmpfiles may remove,
        another process could take the same file."""
        try:
            if self._database is None:
                raise _Unusable(Reason.of("spool_file_closed"))
            found = os.path.samestat(self.path.stat(), os.fstat(self._file))
            if not found or os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
                raise _Unusable(Reason.of("spool_file_replaced"))
            if not os.path.samestat(_lock_of(self.path).stat(), os.fstat(self._lock)):
                raise _Unusable(Reason.of("spool_lock_replaced"))
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


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _unavailable(error: Exception) -> SpoolUnavailable:
    if isinstance(error, _Unusable):
        cause = error.reason
    else:
        cause = Reason.of("disk_error", error=error.strerror if isinstance(error, OSError) else str(error))
    return SpoolUnavailable(Reason.of("spool_unusable", cause))
