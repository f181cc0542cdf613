"""Retention: what is old leaves history, the oldest first, in steps so small that readers do not wait.

Only what is settled leaves: a payment with a delivery that is pending or held, or that is to be looked at again, stays
with all its rows. A round walks from the oldest on, so what stays is passed once in a round.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Table, and_, delete, exists, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database, Use
from history.deliveries import waits
from history.erase import remove_in
from history.pages import AnyRow, Place, ms, oldest, place

MOST = 200
"""Rows that one step looks at."""

_PAYMENT, _DELIVERY, _EVENT, _NOTIFICATION = tables.payment, tables.delivery, tables.event, tables.notification
_WALKS = (
    (_PAYMENT, "first_at"),
    (_NOTIFICATION, "received_at"),
    (_EVENT, "recorded_at"),
    (tables.replay, "created_at"),
    (tables.reconciliation, "created_at"),
    (tables.audit_entry, "at"),
)


class Retention:
    """Removes what is old, a bounded number at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._walk = 0
        self._place: Place | None = None

    async def step(self, before: float) -> bool:
        """Remove some of what has not changed since `before` (UNIX seconds); False at the end of a round, when nothing
        more is to be done for a while. Raises `HistoryUnavailable`; the next step does what this one could not."""
        while self._walk < len(_WALKS):
            table, at = _WALKS[self._walk]
            after = self._place
            self._place = await self._database.write(_removal(table, at, ms(before), after))
            if self._place is not None:
                return True
            self._walk += 1
        self._walk = 0
        return False


def _removal(table: Table, at: str, before: int, after: Place | None) -> Use[Place | None]:
    return lambda connection: _remove(connection, table, at, before, after)


def _remove(connection: Connection, table: Table, at: str, before: int, after: Place | None) -> Place | None:
    """One step along a table; the place that it has reached, None at the end."""
    rows = _oldest(connection, table, at, before, after)
    if table is _PAYMENT:
        _remove_payments(connection, rows, before)
    elif table is _NOTIFICATION:
        _remove_rows(connection, table, rows, ~exists().where(_belongs(_PAYMENT)))
    elif table is _EVENT:
        _remove_endpoint_events(connection, rows)
    else:
        settled = table.c.state != "running" if "state" in table.c else None
        _remove_rows(connection, table, rows, settled)
    return place(rows[-1], at) if len(rows) == MOST else None


def _oldest(connection: Connection, table: Table, at: str, before: int, after: Place | None) -> Sequence[AnyRow]:
    wanted = oldest(table, at, after, MOST).where(table.c[at] < before)
    if table is _EVENT:
        wanted = wanted.where(table.c.imp_uid == "")  # those of payments leave with them
    return connection.execute(wanted.with_only_columns(table.c.n, table.c[at])).all()


def _remove_payments(connection: Connection, rows: Sequence[AnyRow], before: int) -> None:
    unsettled = exists().where(_DELIVERY.c.imp_uid == _PAYMENT.c.imp_uid, waits())
    is_settled = and_(_PAYMENT.c.changed_at < before, _PAYMENT.c.next_look_at.is_(None), ~unsettled)
    found = select(_PAYMENT.c.merchant, _PAYMENT.c.imp_uid, _PAYMENT.c.merchant_uid).where(
        _PAYMENT.c.n.in_([row.n for row in rows]), is_settled
    )
    order, one = tables.order_expectation, _PAYMENT.alias()
    for merchant, imp_uid, merchant_uid in connection.execute(found).all():
        remove_in(connection, merchant, imp_uid)
        another = exists().where(one.c.merchant_uid == merchant_uid, one.c.merchant == merchant)
        mine = and_(order.c.merchant == merchant, order.c.merchant_uid == merchant_uid)
        connection.execute(delete(order).where(mine, ~another))


def _remove_endpoint_events(connection: Connection, rows: Sequence[AnyRow]) -> None:
    """Those about endpoints, which belong to no payment."""
    of_event = and_(_DELIVERY.c.imp_uid == "", _DELIVERY.c.event == _EVENT.c.id)
    unsettled = exists().where(of_event, waits())
    found = select(_EVENT.c.id).where(_EVENT.c.n.in_([row.n for row in rows]), ~unsettled)
    ids = [row.id for row in connection.execute(found)]
    for table, column in ((tables.attempt, "event"), (_DELIVERY, "event"), (_EVENT, "id")):
        connection.execute(delete(table).where(table.c.imp_uid == "", table.c[column].in_(ids)))


def _remove_rows(
    connection: Connection, table: Table, rows: Sequence[AnyRow], condition: ColumnElement[bool] | None
) -> None:
    gone = delete(table).where(table.c.n.in_([row.n for row in rows]))
    connection.execute(gone if condition is None else gone.where(condition))


def _belongs(payment: Table) -> ColumnElement[bool]:
    return and_(payment.c.imp_uid == _NOTIFICATION.c.imp_uid, payment.c.merchant == _NOTIFICATION.c.merchant)
