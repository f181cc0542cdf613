"""Writing: a batch of entries and the place after them in the outbox, in one transaction.

The transaction writes nothing if the place is not where it was when the entries were read. So if two recorders read
the same entries, only one writes them, and a recorder that stalled for a while finds its place moved. A ledger that
writes its contents again does write entries twice. That changes nothing, because rows compare revisions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DataError, IntegrityError

from history import drivers, tables
from history.batch import SHAPES, Batch, columns
from history.erase import erase_in
from history.upsert import compiled, new_or_known, on_conflict
from schemas.outbox.entries import Entry

START = "0-0"
"""The place before the first entry of an outbox."""


class Move(NamedTuple):
    """Moves an outbox's place from `after` to `upto`, past the entries that were read."""

    outbox: str
    after: str
    upto: str


def refusals() -> drivers.Errors:
    """Errors of the database and its driver for values that they cannot hold."""
    return (DataError, IntegrityError, *drivers.refusals(), OverflowError, UnicodeError)


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
        from history.postgresql import copy_batch

        copy_batch(connection, batch)
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
        connection.execute(new_or_known(connection, tables.place), first)
    moved = connection.execute(
        update(tables.place).where(tables.place.c.outbox == outbox, tables.place.c.place == after).values(place=upto)
    )
    return moved.rowcount == 1


def _for_sqlite() -> Mapping[type[Entry], str]:
    dialect = sqlite.dialect(paramstyle="qmark")
    return {
        kind: compiled(on_conflict(sqlite.insert(shape.table).values(_bound(kind)), kind, shape), dialect)
        for kind, shape in SHAPES.items()
    }


def _bound(kind: type[Entry]) -> dict[str, Any]:
    return {name: bindparam(name) for name in columns(kind)}


_SQLITE = _for_sqlite()
