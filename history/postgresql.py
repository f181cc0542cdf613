"""History in a PostgreSQL: its connections, and how a batch is copied into its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import psycopg  # noqa: F401  # the driver: without it, nothing of this can be used
from sqlalchemy import URL, column, select, table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from history import tables
from history.batch import SHAPES, Batch, columns
from history.connection import BUSY, PATIENCE, POOL, T, Use, available
from history.upsert import compiled, on_conflict
from runtime.history_url import HistoryUrl
from schemas.outbox.entries import Entry

_INCOMING = "incoming_"
_TYPE_NAMES = {"str": "text", "int": "int8", "bool": "bool", "bytes": "bytea"}


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
        async with available(patience), self._reading.connect() as connection:
            if patience > PATIENCE:
                await connection.run_sync(_allow, patience)
            return await connection.run_sync(use)

    async def write(self, use: Use[T], patience: float = PATIENCE) -> T:
        """As `Database` says."""
        async with available(patience), self._engine.begin() as connection:
            return await connection.run_sync(use)

    async def close(self) -> None:
        """As `Database` says."""
        await self._engine.dispose()


def _allow(connection: Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")


def copy_batch(connection: Connection, batch: Batch) -> None:
    """Write the rows of a batch. Stored rows that are newer stay."""
    _prepare_copying(connection)
    connection.connection.dbapi_connection.run_async(lambda driver: _copy(driver, batch))  # type: ignore[union-attr]


def _prepare_copying(connection: Connection) -> None:
    """Make the temporary tables once per connection. They last as long as the connection, unless the transaction that
    makes them fails."""
    made = connection.exec_driver_sql(f"SELECT to_regclass('pg_temp.{_INCOMING}{tables.notification.name}')").scalar()
    if made is None:
        connection.exec_driver_sql("; ".join(_TEMPORARY.values()))


async def _copy(driver: Any, batch: Batch) -> None:
    """COPY the rows into temporary tables and insert them from there, in a third of the time of `executemany`."""
    async with driver.cursor() as cursor:
        for kind, rows in batch.rows.items():
            async with cursor.copy(_COPY[kind]) as copy:
                copy.set_types(_TYPES[kind])
                for row in rows:
                    await copy.write_row(row)
        if batch.rows:
            await cursor.execute("; ".join(_INSERTIONS[kind] for kind in batch.rows))


def _insertions() -> Mapping[type[Entry], str]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    found: dict[type[Entry], str] = {}
    for kind, shape in SHAPES.items():
        names = columns(kind)
        incoming = table(_INCOMING + shape.table.name, *map(column, names))
        statement = postgresql.insert(shape.table).from_select(names, select(incoming))
        found[kind] = compiled(on_conflict(statement, kind, shape), dialect)
    return found


def _temporary(kind: type[Entry]) -> str:
    source, names = SHAPES[kind].table.name, ", ".join(columns(kind))
    name = _INCOMING + source
    return f"CREATE TEMPORARY TABLE {name} ON COMMIT DELETE ROWS AS SELECT {names} FROM {source} WITH NO DATA"  # noqa: S608  # all names are ours


def _types(kind: type[Entry]) -> tuple[str, ...]:
    return tuple(_TYPE_NAMES[str(one.type).removesuffix(" | None")] for one in fields(kind))


_INSERTIONS = _insertions()
_TEMPORARY = {kind: _temporary(kind) for kind in SHAPES}
_COPY = {
    kind: f"COPY {_INCOMING}{shape.table.name} ({', '.join(columns(kind))}) FROM STDIN (FORMAT BINARY)"
    for kind, shape in SHAPES.items()
}
_TYPES = {kind: _types(kind) for kind in SHAPES}
