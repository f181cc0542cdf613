"""Erasing a buyer: every row of a payment is rewritten without them.

Queries no longer find the old rows, but the database's files hold them until an operator vacuums it: docs/history.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, and_, delete, func, select, update
from sqlalchemy.engine import Connection

from history import tables
from history.pages import AnyRow
from schemas import wire
from schemas.compression import compress, decompress
from schemas.outbox import cold_record
from schemas.outbox.entries import Erasure
from schemas.payments.erased_record import erased
from schemas.payments.erasure import blank_json, blank_object, texts_to_blank

PART = 50
"""Rows that are in memory at once."""


def erase_in(connection: Connection, erasure: Erasure) -> None:
    """Blank what history has of a payment."""
    payment, known = tables.payment, frozenset[str]()
    row = connection.execute(select(payment).where(_of(payment, erasure))).first()
    if row is not None:
        snapshot = decompress(row.snapshot) or b"{}"
        known = texts_to_blank(snapshot)
        connection.execute(
            update(payment)
            .where(_of(payment, erasure))
            .values(
                snapshot=compress(wire.dumps(blank_object(wire.loads(snapshot)))),
                record=_blank_record(row, erasure),
                payer="",
                erased_at=func.coalesce(payment.c.erased_at, erasure.at),
            )
        )
    _erase_events(connection, erasure, known)
    _erase_objects(connection, erasure)
    notification, attempt, event = tables.notification, tables.attempt, tables.event
    connection.execute(update(notification).where(_of(notification, erasure)).values(extra=""))
    mine = select(event.c.id).where(_of(event, erasure))
    answered = and_(attempt.c.imp_uid == erasure.imp_uid, attempt.c.event.in_(mine))
    connection.execute(update(attempt).where(answered).values(response=""))


def _blank_record(row: AnyRow, erasure: Erasure) -> bytes:
    """The row's record without the buyer: it may have facts that the ledger found after it wrote the erasure. If it is
    damaged, the erasure's own record replaces it."""
    try:
        record = cold_record.load(row.merchant, row.imp_uid, row.record, row.snapshot)
    except ValueError:
        return erasure.record
    return cold_record.dump(replace(erased(record, erasure.at), version=record.version))


def _erase_objects(connection: Connection, erasure: Erasure) -> None:
    table = tables.shared_object
    wanted = select(table.c.revision, table.c.object).where(_of(table, erasure))
    for row in _in_parts(connection, wanted, table.c.revision):
        blank = compress(wire.dumps(blank_object(wire.loads(decompress(row.object)))))
        this = and_(_of(table, erasure), table.c.revision == row.revision)
        connection.execute(update(table).where(this).values(object=blank))


def _erase_events(connection: Connection, erasure: Erasure, known: Set[str]) -> None:
    """Blank events. Each event shows best who its buyer was: the payment may be blank already."""
    table, shown = tables.event, dict[int | None, Set[str]]({None: frozenset()})
    wanted = select(table.c.n, table.c.body, table.c.detail, table.c.object_revision).where(_of(table, erasure))
    for row in _in_parts(connection, wanted, table.c.n):
        revision = row.object_revision
        if revision not in shown:
            shown[revision] = texts_to_blank(_shared_object(connection, erasure, revision))
        text = decompress(row.body)
        said = known | shown[revision] | texts_to_blank(text)
        detail = blank_json(row.detail.encode(), said).decode()
        body = compress(blank_json(text, said))
        connection.execute(update(table).where(table.c.n == row.n).values(body=body, detail=detail))


def _shared_object(connection: Connection, erasure: Erasure, revision: int) -> bytes:
    table = tables.shared_object
    wanted = select(table.c.object).where(_of(table, erasure), table.c.revision == revision)
    return decompress(connection.execute(wanted).scalar() or b"{}")


def _in_parts(connection: Connection, wanted: Select[Any], key: Column[int]) -> Iterator[AnyRow]:
    """The rows of a query, a few at a time, as the rows of a long history are large. `key` identifies a row."""
    keys = connection.execute(wanted.with_only_columns(key)).scalars().all()
    for start in range(0, len(keys), PART):
        yield from connection.execute(wanted.where(key.in_(keys[start : start + PART]))).all()


def remove_in(connection: Connection, merchant: str, imp_uid: str) -> None:
    """Remove a payment with everything that belongs to it."""
    gone = Erasure(merchant, imp_uid, 0)
    event, delivery, attempt = tables.event, tables.delivery, tables.attempt
    mine = select(event.c.id).where(_of(event, gone))
    connection.execute(delete(attempt).where(attempt.c.imp_uid == imp_uid, attempt.c.event.in_(mine)))
    for table in (delivery, event, tables.shared_object, tables.notification, tables.payment):
        connection.execute(delete(table).where(_of(table, gone)))


def _of(table: Table, erasure: Erasure) -> ColumnElement[bool]:
    return tables.belongs(table, erasure.imp_uid, erasure.merchant)
