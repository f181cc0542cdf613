"""Statements that insert a row unless there is one with its key, or change that one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.sql import Executable

from history.batch import Shape, columns
from schemas.outbox.entries import Entry


def new_or_known(connection: Connection, into: Table) -> Any:
    """Insert a row, or do nothing if its key is known."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(into).on_conflict_do_nothing()
    return sqlite.insert(into).on_conflict_do_nothing()


def on_conflict(statement: Any, kind: type[Entry], shape: Shape) -> Executable:
    """Have an insertion change the row that has its key, if the new one is newer."""
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


def compiled(statement: Any, dialect: Dialect) -> str:
    """The text of a statement, with the database's own marks for its parameters."""
    return str(statement.compile(dialect=dialect))


def _changes(kind: type[Entry], shape: Shape) -> tuple[str, ...]:
    """The columns that a later row of the same thing changes."""
    if "revision" not in columns(kind) or "revision" in shape.key:
        return ()
    return tuple(name for name in columns(kind) if name not in (*shape.key, *shape.fixed))
