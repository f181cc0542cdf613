"""A buyer is forgotten: every row of a payment is written anew without them.

The old rows are gone for whoever asks at once; the files of the database hold them until it is vacuumed (`vacuum`).
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Table, and_, delete, func, select, update
from sqlalchemy.engine import Connection

from history import tables
from history.events import shared_objects
from history.pages import AnyRow
from schemas import wire
from schemas.compression import compress, decompress
from schemas.outbox import cold_record
from schemas.outbox.entries import Erasure
from schemas.payments.erased_record import erased
from schemas.payments.erasure import blank_body, blank_detail, blank_object

VACUUMED = (tables.payment, tables.event, tables.shared_object, tables.notification, tables.attempt)


def erase_in(connection: Connection, erasure: Erasure) -> bool:
    """Blank what history has of a payment; whether it has any."""
    payment, known = tables.payment, b"{}"
    row = connection.execute(select(payment).where(_of(payment, erasure))).first()
    if row is not None:
        known = decompress(row.snapshot) or b"{}"
        connection.execute(
            update(payment)
            .where(_of(payment, erasure))
            .values(
                snapshot=compress(wire.dumps(blank_object(wire.loads(known)))),
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
    return row is not None


def vacuum(connection: Connection) -> None:
    """Write the files anew, without what was erased; outside of a transaction. It takes as long as copying them, and
    PostgreSQL's tables are locked while it does."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"VACUUM (FULL) {', '.join(table.name for table in VACUUMED)}")
    else:
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _blank_record(row: AnyRow, erasure: Erasure) -> bytes:
    """The record as it is, without the buyer: it may know facts that the ledger found after the erasure was written.
    The erasure's own is for one that is damaged."""
    try:
        record = cold_record.load(row.merchant, row.imp_uid, row.record, row.snapshot)
    except ValueError:
        return erasure.record
    return cold_record.dump(replace(erased(record, erasure.at), version=record.version))


def _erase_objects(connection: Connection, erasure: Erasure) -> None:
    table = tables.shared_object
    for row in connection.execute(select(table).where(_of(table, erasure))).all():
        blank = compress(wire.dumps(blank_object(wire.loads(decompress(row.object)))))
        this = and_(_of(table, erasure), table.c.revision == row.revision)
        connection.execute(update(table).where(this).values(object=blank))


def _erase_events(connection: Connection, erasure: Erasure, known: bytes) -> None:
    """Blank events. Each knows best who its buyer was: of the payment, that may be blank already."""
    table = tables.event
    rows = connection.execute(select(table).where(_of(table, erasure))).all()
    objects = shared_objects(connection, rows)
    for row in rows:
        text = decompress(row.body)
        shared = decompress(objects.get((row.imp_uid, row.merchant, row.object_revision), b""))
        said = b"[%b]" % b",".join((known, text, shared or b"{}"))
        detail = blank_detail(row.detail.encode(), said).decode()
        body = compress(blank_body(text, said))
        connection.execute(update(table).where(table.c.n == row.n).values(body=body, detail=detail))


def remove_in(connection: Connection, merchant: str, imp_uid: str) -> None:
    """Remove a payment with everything that belongs to it."""
    gone = Erasure(merchant, imp_uid, 0)
    event, delivery, attempt = tables.event, tables.delivery, tables.attempt
    mine = select(event.c.id).where(_of(event, gone))
    connection.execute(delete(attempt).where(attempt.c.imp_uid == imp_uid, attempt.c.event.in_(mine)))
    for table in (delivery, event, tables.shared_object, tables.notification, tables.payment):
        connection.execute(delete(table).where(_of(table, gone)))


def _of(table: Table, erasure: Erasure) -> ColumnElement[bool]:
    return and_(table.c.imp_uid == erasure.imp_uid, table.c.merchant == erasure.merchant)
