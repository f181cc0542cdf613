"""One file of the spool: SQLite, write-ahead log, every transaction synced to disk before it counts.

A file belongs to the process that holds the lock beside it; the lock goes with the process, however that ends, and the
file can then be taken by another. Everything here blocks: `spool.py` calls it from one thread.
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

PAGE_BYTES = 4096
"""SQLite's page size by default; a file's limit is counted in pages."""
_MAGIC = b"SQLite format 3\0"
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS waiting (position INTEGER PRIMARY KEY AUTOINCREMENT, row BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS unreadable (position INTEGER PRIMARY KEY, row BLOB NOT NULL)",
)
# Rows of merchants that were not known, and whose budget they take up. An older version does not know this table and
# leaves it alone: so there is no new shape for it, and what it drained is swept out at the next opening.
_BUDGET = (
    "CREATE TABLE IF NOT EXISTS unsure (position INTEGER PRIMARY KEY, source TEXT NOT NULL, size INTEGER NOT NULL)",
    "DELETE FROM unsure WHERE position NOT IN (SELECT position FROM waiting)",
)
_SHAPE = 1
_HARMLESS = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_WRITE)
"""Errors after which SQLite has undone the transaction and the open file is as good as before. A disk without room is
`SQLITE_FULL`, a quota or limit that is used up `SQLITE_IOERR_WRITE`."""


class Row(NamedTuple):
    """What is to be written. `budget` is None, or the source whose budget of unknown merchants it takes up."""

    data: bytes
    budget: str | None = None


class SpoolFile:
    """An open, locked file of rows. Whatever goes wrong is a `SpoolUnavailable`; after most errors the file is closed
    and has to be taken anew, because after a failed sync nobody knows what is on disk."""

    def __init__(self, path: Path, lock: int, max_bytes: int) -> None:
        self.path = path
        self.count = 0
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
        """Lock and open the file at `path`, made if need be; None while another process holds it. The lock file
        stays for good: removing it would let two processes lock two files of one name."""
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
        """Whether it has to be taken anew."""
        return self._database is None

    def append(self, rows: Sequence[Row]) -> list[bool]:
        """Write the rows, all or none, but for those beyond their budget; whether each was written. They are on disk
        when this returns."""
        written = self._within_budget(rows)
        kept = [row for row, is_written in zip(rows, written, strict=True) if is_written]
        budgeted = [(place, row.budget, len(row.data)) for place, row in enumerate(kept) if row.budget is not None]
        if not kept:
            return written
        try:
            with self._transaction() as database:
                database.executemany("INSERT INTO waiting (row) VALUES (?)", ((row.data,) for row in kept))
                if budgeted:
                    # Nobody else writes here, so the positions of one transaction follow each other.
                    last = database.execute("SELECT max(position) FROM waiting").fetchone()[0]
                    first = last - len(kept) + 1
                    database.executemany("INSERT INTO unsure VALUES (? + ?, ?, ?)", ((first, *row) for row in budgeted))
        except BaseException:
            self._give_back((source, size) for _, source, size in budgeted)
            raise
        self.count += len(kept)
        return written

    def read(self, after: int, limit: int) -> list[tuple[int, bytes]]:
        """The oldest rows behind a position, each with its position."""
        query = "SELECT position, row FROM waiting WHERE position > ? ORDER BY position LIMIT ?"
        with self._guarded() as database:
            return database.execute(query, (after, limit)).fetchall()

    def remove(self, positions: Sequence[int]) -> None:
        """Forget rows."""
        with self._transaction() as database:
            database.executemany("DELETE FROM waiting WHERE position = ?", ((position,) for position in positions))
            settled = self._settled(database, positions)
        self.count -= len(positions)
        self._give_back(settled)

    def set_aside(self, position: int) -> None:
        """Move a row that cannot be read out of the way, for people to look at."""
        with self._transaction() as database:
            database.execute("INSERT INTO unreadable SELECT * FROM waiting WHERE position = ?", (position,))
            database.execute("DELETE FROM waiting WHERE position = ?", (position,))
            settled = self._settled(database, [position])
        self.count -= 1
        self._give_back(settled)

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
        if not self.discard(after=0):
            self.close()

    def discard(self, after: int) -> bool:
        """Close and remove the file if no row behind this position waits, and none is for people to look at; whether it
        was removed. Unlike `remove` this needs no room on the disk, and makes some."""
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
        """Let go of the file and its lock; `discard` removes the file as well."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None
        try:
            if discard:
                # SQLite leaves its log behind where a full disk keeps it from being merged. It goes first: beside a new
                # file of this name it would bring the rows back.
                for ending in ("-wal", "-shm", ""):
                    self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        finally:
            for descriptor in (self._file, self._lock):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._lock = -1

    def _within_budget(self, rows: Sequence[Row]) -> list[bool]:
        """Which of the rows may be written; their budget counts as spent."""
        if all(row.budget is None for row in rows):
            return [True] * len(rows)
        # A disk that is smaller than the spool may become is what a tenth is taken of.
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
        """Remove what the budget has of these rows: source and size of each that it has."""
        if self.budget.unspent:
            return []
        found = [
            row
            for position in positions
            for row in database.execute("SELECT source, size FROM unsure WHERE position = ?", (position,)).fetchall()
        ]
        database.executemany("DELETE FROM unsure WHERE position = ?", ((position,) for position in positions))
        return found

    def _give_back(self, settled: Iterable[tuple[str, int]]) -> None:
        for source, size in settled:
            self.budget.release(source, size)

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA journal_mode=WAL").fetchall()
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"PRAGMA max_page_count={max(self._max_bytes // PAGE_BYTES, 8)}").fetchall()
        if database.execute("PRAGMA quick_check(1)").fetchall() != [("ok",)]:
            raise sqlite3.DatabaseError("the file is damaged")
        shape = database.execute("PRAGMA user_version").fetchone()[0]
        if shape > _SHAPE:
            raise sqlite3.DatabaseError(f"the file has the shape {shape} of a newer version")
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
            os.fsync(folder)  # a file that was just made must itself survive a power cut
        finally:
            os.close(folder)

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """The connection, as long as what it writes can be found again: SQLite itself would go on writing into a file
        that was removed, replaced or overwritten under it. Without its lock file (systemd-tmpfiles may remove that)
        another process can take the same file."""
        try:
            if self._database is None:
                raise sqlite3.ProgrammingError("the file is closed")
            found = os.path.samestat(self.path.stat(), os.fstat(self._file))
            if not found or os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
                raise sqlite3.DatabaseError("the file was replaced or overwritten")
            if not os.path.samestat(_lock_of(self.path).stat(), os.fstat(self._lock)):
                raise sqlite3.DatabaseError("the file's lock was replaced")
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
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return SpoolUnavailable(f"The spool cannot keep anything: {reason}.")
