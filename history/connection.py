"""The database's connections: their settings, how to use them without blocking, and one error for all failures.

Every read or write is a plain function of a `Connection`. With SQLite the whole function runs in one thread: switching
to a thread for each statement would cost more than the statement. With PostgreSQL the function runs in the event loop,
in a greenlet of SQLAlchemy's, and psycopg awaits the server.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from history import drivers
from history.sqlite_file import make_engine
from runtime.history_url import HistoryUrl
from schemas.errors import BadSetting, HistoryUnavailable
from schemas.reasons import Reason

PATIENCE = 15.0
"""Seconds that one query or batch may take; a database that hangs counts as away."""
BUSY = 5.0
"""Seconds to wait for another writer of an SQLite file, or for a lock of PostgreSQL."""
POOL = 4
"""Connections that a process keeps, at most; each of SQLite's has a thread."""
STEPS = 20_000
"""After so many instructions, about a millisecond, SQLite checks whether a caller still waits for its result."""

T = TypeVar("T")
Use = Callable[[Connection], T]


class Database(Protocol):
    """A database that runs functions of a `Connection`. Every failure is `HistoryUnavailable`."""

    async def read(self, use: Use[T], patience: float = PATIENCE) -> T:
        """Run a function that reads, and return its result; it sees one state of the database."""
        ...

    async def write(self, use: Use[T], patience: float = PATIENCE) -> T:
        """Run a function in a transaction, which writes everything or nothing, and return its result."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def open_database(url: HistoryUrl) -> Database:
    """The database of this URL; nothing is connected yet. Raises `BadSetting` if its driver is not installed."""
    if url.file is not None:
        return Sqlite(url.file)
    try:
        from history.postgresql import Postgresql  # its dialect and driver take 20 MiB
    except ImportError:
        raise BadSetting(
            "RELAY_HISTORY_URL names a PostgreSQL, whose driver is not installed: pip install 'iamport-relay[postgres]'"
        ) from None
    return Postgresql(url)


class Sqlite:
    """An SQLite file in a few threads."""

    def __init__(self, path: Path) -> None:
        self._engine = make_engine(path, connections=POOL, patience=BUSY)
        self._threads = ThreadPoolExecutor(POOL, thread_name_prefix="history")

    async def read(self, use: Use[T], patience: float = PATIENCE) -> T:
        """As `Database` says."""
        return await self._run(use, "BEGIN", patience)

    async def write(self, use: Use[T], patience: float = PATIENCE) -> T:
        """As `Database` says."""
        return await self._run(use, "BEGIN IMMEDIATE", patience)

    async def close(self) -> None:
        """As `Database` says."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    async def _run(self, use: Use[T], begin: str, patience: float) -> T:
        abandoned = threading.Event()

        def run() -> T:
            with self._engine.connect() as connection, _stopping_when(abandoned, connection), connection.begin():
                connection.exec_driver_sql(begin)
                return use(connection)

        async with available(patience):
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, run)
            except asyncio.CancelledError:
                abandoned.set()
                raise


@contextmanager
def _stopping_when(abandoned: threading.Event, connection: Connection) -> Iterator[None]:
    """Interrupt SQLite once no caller waits for its result: otherwise a few long queries would occupy all threads."""
    driver: Any = connection.connection.dbapi_connection
    driver.set_progress_handler(abandoned.is_set, STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


@asynccontextmanager
async def available(patience: float) -> AsyncIterator[None]:
    """Raise every failure as `HistoryUnavailable`.

    If the caller is cancelled and its connection then fails to clean up, that error hides the cancellation. Then raise
    `CancelledError`: a caller that is to stop must not take the error for an outage, and try again.
    """
    before = _cancellations()
    try:
        async with asyncio.timeout(patience):
            yield
    except TimeoutError:
        raise HistoryUnavailable(Reason.of("history_timed_out")) from None
    except _troubles() as error:
        if _cancellations() > before:
            raise asyncio.CancelledError from error
        raise HistoryUnavailable(Reason.of("history_unreliable", error=trouble(error))) from error


def _troubles() -> drivers.Errors:
    return (DBAPIError, PoolTimeout, *drivers.errors())


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def trouble(error: BaseException) -> str:
    """What is wrong, in one line that shows no row, no parameter and no password."""
    orig = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(error, OperationalError) or isinstance(orig, drivers.outages()):
        lines = str(orig).splitlines() or [type(orig).__name__]
        return lines[0].strip()[:200]
    state = getattr(orig, "sqlstate", None)
    return f"{type(orig).__name__} ({state})" if state else type(orig).__name__
