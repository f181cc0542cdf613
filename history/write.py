"""Writing: a batch of entries and the place after them in the outbox, in one transaction.

The transaction writes nothing if the place is not where it was when the entries were read. So if two recorders read
the same entries, only one writes them, and a recorder that stalled for a while finds its place moved. A ledger that
writes its contents again does write entries twice. That changes nothing, because rows compare revisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import bindparam, column, select, table, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.sql import Executable

from history import drivers, tables
from history.batch import SHAPES, Batch, Shape, columns
from history.erase import erase_in
from schemas.outbox.entries import Entry

REFUSALS: tuple[type[Exception], ...] = (DataError, IntegrityError, *drivers.REFUSALS, OverflowError, UnicodeError)
"""Errors of the database and its driver for values that they cannot hold."""
START = "0-0"
"""The place before the first entry of an outbox."""

_INCOMING = "incoming_"
_PG_TYPES = {"str": "text", "int": "int8", "bool": "bool", "bytes": "bytea"}


class Move(NamedTuple):
    """Moves an outbox's place from `after` to `upto`, past the entries that were read."""

    outbox: str
    after: str
    upto: str


def record(connection: Connection, moves: Sequence[Move], batch: Batch) -> bool:
    """Write a batch that was read from some outboxes. Return False, and write nothing, if the place of one of them has
    moved meanwhile."""
    for move in moves:
        if not _move(connection, move):
            connection.rollback()
            return False
    write(connection, batch)
    return True


def write(connection: Connection, batch: Batch) -> None:
    """Write the rows of a batch. Stored rows that are newer stay."""
    if connection.dialect.name == "postgresql":
        _prepare_copying(connection)
        connection.connection.dbapi_connection.run_async(lambda driver: _copy(driver, batch))  # type: ignore[union-attr]
    else:
        for kind, rows in batch.rows.items():
            connection.exec_driver_sql(_SQLITE[kind], rows)
    for erasure in batch.erasures:
        erase_in(connection, erasure)


def _move(connection: Connection, move: Move) -> bool:
    """Move the place of an outbox; return whether it was where the move begins."""
    outbox, after, upto = move
    if after == START:
        first = {"outbox": outbox, "place": START}
        connection.execute(_upsert(connection.dialect.name)(tables.place).on_conflict_do_nothing(), first)
    moved = connection.execute(
        update(tables.place).where(tables.place.c.outbox == outbox, tables.place.c.place == after).values(place=upto)
    )
    return moved.rowcount == 1


async def _copy(driver: Any, batch: Batch) -> None:
    """COPY the rows into temporary tables and insert them from there, in a third of the time of `executemany`."""
    async with driver.cursor() as cursor:
        for kind, rows in batch.rows.items():
            async with cursor.copy(_COPY[kind]) as copy:
                copy.set_types(_TYPES[kind])
                for row in rows:
                    await copy.write_row(row)
        if batch.rows:
            await cursor.execute("; ".join(_POSTGRESQL[kind] for kind in batch.rows))


def _prepare_copying(connection: Connection) -> None:
    """Make the temporary tables once per connection. They last as long as the connection, unless the transaction that
    makes them fails."""
    made = connection.exec_driver_sql(f"SELECT to_regclass('pg_temp.{_INCOMING}{tables.notification.name}')").scalar()
    if made is None:
        connection.exec_driver_sql("; ".join(_TEMPORARY.values()))


def _upsert(dialect: str) -> Any:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


def _changes(kind: type[Entry], shape: Shape) -> tuple[str, ...]:
    """The columns that a later row of the same thing changes."""
    if "revision" not in columns(kind) or "revision" in shape.key:
        return ()
    return tuple(name for name in columns(kind) if name not in (*shape.key, *shape.fixed))


def _on_conflict(statement: Any, kind: type[Entry], shape: Shape) -> Executable:
    changed = _changes(kind, shape)
    if not changed:
        settled: Executable = statement.on_conflict_do_nothing(index_elements=shape.key)
        return settled
    newer: Executable = statement.on_conflict_do_update(
        index_elements=shape.key,
        set_={name: statement.excluded[name] for name in changed},
        where=statement.excluded.revision > shape.table.c.revision,
    )
    return newer


def _compiled(statement: Any, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))


def _for_sqlite() -> Mapping[type[Entry], str]:
    dialect = sqlite.dialect(paramstyle="qmark")
    return {
        kind: _compiled(_on_conflict(sqlite.insert(shape.table).values(_bound(kind)), kind, shape), dialect)
        for kind, shape in SHAPES.items()
    }


def _bound(kind: type[Entry]) -> dict[str, Any]:
    return {name: bindparam(name) for name in columns(kind)}


def _for_postgresql() -> Mapping[type[Entry], str]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    found: dict[type[Entry], str] = {}
    for kind, shape in SHAPES.items():
        names = columns(kind)
        incoming = table(_INCOMING + shape.table.name, *map(column, names))
        statement = postgresql.insert(shape.table).from_select(names, select(incoming))
        found[kind] = _compiled(_on_conflict(statement, kind, shape), dialect)
    return found


def _temporary(kind: type[Entry]) -> str:
    source, names = SHAPES[kind].table.name, ", ".join(columns(kind))
    name = _INCOMING + source
    return f"CREATE TEMPORARY TABLE {name} ON COMMIT DELETE ROWS AS SELECT {names} FROM {source} WITH NO DATA"  # noqa: S608  # all names are ours


def _types(kind: type[Entry]) -> tuple[str, ...]:
    return tuple(_PG_TYPES[str(one.type).removesuffix(" | None")] for one in fields(kind))


_SQLITE = _for_sqlite()
_POSTGRESQL = _for_postgresql()
_TEMPORARY = {kind: _temporary(kind) for kind in SHAPES}
_COPY = {
    kind: f"COPY {_INCOMING}{shape.table.name} ({', '.join(columns(kind))}) FROM STDIN (FORMAT BINARY)"
    for kind, shape in SHAPES.items()
}
_TYPES = {kind: _types(kind) for kind in SHAPES}
