"""Retention: old rows leave history, oldest first, in steps so small that readers do not wait.

Only settled rows leave. A payment stays, with all its rows, while a delivery of it is pending or held, or while it is
to be refreshed again. A round goes on from one step to the next, so it passes each row that stays only once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database, Use
from history.deliveries import waits
from history.erase import remove_in
from history.pages import AnyRow, Place, oldest, place
from schemas.outbox.whole_payment import Name
from schemas.times import ms

MOST = 200
"""Rows that one step looks at."""

InLedger = Callable[[Sequence[Name]], Awaitable[Collection[Name]]]
"""Returns those of some payments that are in the ledger."""

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
    """Removes old rows, a bounded number at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._walk = 0
        self._place: Place | None = None

    async def step(self, before: float, *, in_ledger: InLedger | None = None) -> bool:
        """Remove some rows that have not changed since `before` (UNIX seconds). Return False at the end of a round,
        when there is nothing more to do for a while. Payments that are still `in_ledger` stay. Raises
        `HistoryUnavailable`; the next step tries again."""
        while self._walk < len(_WALKS):
            table, at = _WALKS[self._walk]
            if table is _PAYMENT:
                self._place = await self._payments(at, ms(before), in_ledger)
            else:
                self._place = await self._database.write(_removal(table, at, ms(before), self._place))
            if self._place is not None:
                return True
            self._walk += 1
        self._walk = 0
        return False

    async def _payments(self, at: str, before: int, in_ledger: InLedger | None) -> Place | None:
        after = self._place
        rows = await self._database.read(lambda connection: _oldest(connection, _PAYMENT, at, before, after))
        numbers = [row.n for row in rows]
        found = await self._database.read(lambda connection: connection.execute(_settled(numbers, before)).all())
        names = [(row.merchant, row.imp_uid) for row in found]
        kept = await in_ledger(names) if in_ledger is not None and names else ()
        leaving = [row.n for row, name in zip(found, names, strict=True) if name not in kept]
        if leaving:
            await self._database.write(lambda connection: _remove_payments(connection, leaving, before))
        return place(rows[-1], at) if len(rows) == MOST else None


def _removal(table: Table, at: str, before: int, after: Place | None) -> Use[Place | None]:
    return lambda connection: _remove(connection, table, at, before, after)


def _remove(connection: Connection, table: Table, at: str, before: int, after: Place | None) -> Place | None:
    """Do one step along a table; return the place that it has reached, None at the end."""
    rows = _oldest(connection, table, at, before, after)
    if table is _NOTIFICATION:
        belongs_to_none = ~exists().where(_belongs(_PAYMENT))
        _remove_rows(connection, table, rows, and_(table.c.outcome != "pending", belongs_to_none))
    elif table is _EVENT:
        _remove_endpoint_events(connection, rows)
    else:
        settled = table.c.state != "running" if "state" in table.c else None
        _remove_rows(connection, table, rows, settled)
    return place(rows[-1], at) if len(rows) == MOST else None


def _oldest(connection: Connection, table: Table, at: str, before: int, after: Place | None) -> Sequence[AnyRow]:
    wanted = oldest(table, at, after, MOST).where(table.c[at] < before)
    if table is _EVENT:
        wanted = wanted.where(table.c.imp_uid == "")  # events of a payment leave with it
    return connection.execute(wanted.with_only_columns(table.c.n, table.c[at])).all()


def _settled(numbers: Sequence[int], before: int) -> Select[Any]:
    """Of these payments, those that are settled and old."""
    unsettled = exists().where(_DELIVERY.c.imp_uid == _PAYMENT.c.imp_uid, waits())
    # A refresh that was due so long ago will not come: its merchant was deleted.
    unawaited = or_(_PAYMENT.c.next_look_at.is_(None), _PAYMENT.c.next_look_at < before)
    is_settled = and_(_PAYMENT.c.changed_at < before, unawaited, ~unsettled)
    columns = (_PAYMENT.c.n, _PAYMENT.c.merchant, _PAYMENT.c.imp_uid, _PAYMENT.c.merchant_uid)
    return select(*columns).where(_PAYMENT.c.n.in_(numbers), is_settled)


def _remove_payments(connection: Connection, numbers: Sequence[int], before: int) -> None:
    order, one = tables.order_expectation, _PAYMENT.alias()
    for _, merchant, imp_uid, merchant_uid in connection.execute(_settled(numbers, before)).all():
        remove_in(connection, merchant, imp_uid)
        another = exists().where(one.c.merchant_uid == merchant_uid, tables.is_of(one, merchant))
        mine = and_(order.c.merchant == merchant, order.c.merchant_uid == merchant_uid)
        connection.execute(delete(order).where(mine, ~another))


def _remove_endpoint_events(connection: Connection, rows: Sequence[AnyRow]) -> None:
    """Remove events about endpoints, which belong to no payment."""
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
    return tables.belongs(payment, _NOTIFICATION.c.imp_uid, _NOTIFICATION.c.merchant)
