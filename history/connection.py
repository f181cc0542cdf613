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

from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

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

_TROUBLES: tuple[type[Exception], ...] = (DBAPIError, PoolTimeout, *drivers.ERRORS)

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

    async def maintain(self, use: Use[None], patience: float) -> None:
        """Run a function outside of a transaction, as long as it takes, up to `patience` seconds."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def open_database(url: HistoryUrl) -> Database:
    """The database of this URL; nothing is connected yet. Raises `BadSetting` if its driver is not installed."""
    if url.file is not None:
        return Sqlite(url.file)
    if not drivers.HAS_POSTGRESQL:
        raise BadSetting(
            "RELAY_HISTORY_URL names a PostgreSQL, whose driver is not installed: pip install 'iamport-relay[postgres]'"
        )
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

    async def maintain(self, use: Use[None], patience: float) -> None:
        """As `Database` says."""
        await self._run(use, "", patience)

    async def close(self) -> None:
        """As `Database` says."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    async def _run(self, use: Use[T], begin: str, patience: float) -> T:
        abandoned = threading.Event()

        def run() -> T:
            with self._engine.connect() as connection, _stopping_when(abandoned, connection), connection.begin():
                if begin:
                    connection.exec_driver_sql(begin)
                return use(connection)

        async with _available(patience):
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


class Postgresql:
    """A database of PostgreSQL."""

    def __init__(self, url: HistoryUrl) -> None:
        limits = {"statement_timeout": PATIENCE, "lock_timeout": BUSY, "idle_in_transaction_session_timeout": 60}
        options = " ".join(f"-c {name}={round(seconds * 1000)}" for name, seconds in limits.items())
        connect = {"connect_timeout": 5, "application_name": "iamport-relay", **url.options}
        self._engine = create_async_engine(
            URL.create("postgresql+psycopg", url.user, url.password, url.host, url.port, url.database),
            pool_size=POOL,
            max_overflow=POOL,
            pool_timeout=PATIENCE,
            pool_pre_ping=True,
            connect_args={**connect, "options": f"{options} -c timezone=UTC -c client_min_messages=warning"},
        )
        # The same connections; each read sees one moment, as in SQLite.
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    async def read(self, use: Use[T], patience: float = PATIENCE) -> T:
        """As `Database` says."""
        async with _available(patience), self._reading.connect() as connection:
            if patience > PATIENCE:
                await connection.run_sync(_allow, patience)
            return await connection.run_sync(use)

    async def write(self, use: Use[T], patience: float = PATIENCE) -> T:
        """As `Database` says."""
        async with _available(patience), self._engine.begin() as connection:
            return await connection.run_sync(use)

    async def maintain(self, use: Use[None], patience: float) -> None:
        """As `Database` says."""
        async with _available(patience), self._engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.run_sync(_without_limits)
            await connection.run_sync(use)
            await connection.invalidate()  # it no longer has its limits

    async def close(self) -> None:
        """As `Database` says."""
        await self._engine.dispose()


def _allow(connection: Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")


def _without_limits(connection: Connection) -> None:
    connection.exec_driver_sql("SET statement_timeout = 0")


@asynccontextmanager
async def _available(patience: float) -> AsyncIterator[None]:
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
    except _TROUBLES as error:
        if _cancellations() > before:
            raise asyncio.CancelledError from error
        raise HistoryUnavailable(Reason.of("history_unreliable", error=trouble(error))) from error


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def trouble(error: BaseException) -> str:
    """What is wrong, in one line that shows no row, no parameter and no password."""
    orig = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    if isinstance(error, OperationalError) or isinstance(orig, drivers.OUTAGES):
        lines = str(orig).splitlines() or [type(orig).__name__]
        return lines[0].strip()[:200]
    state = getattr(orig, "sqlstate", None)
    return f"{type(orig).__name__} ({state})" if state else type(orig).__name__
