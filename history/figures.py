"""Figures by day, for the console's page of the last thirty days and for charts.

Days are local days: `offset` is the distance from UTC in seconds. Amounts are sums of numbers as they were written, in
the currency's major unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Numeric, Text, and_, case, cast, exists, func, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from schemas.times import ms

DAY = 86_400_000
LATENCIES = (100, 1_000, 10_000, 60_000)
"""Upper bounds in ms by which deliveries are counted; the last count has those that took longer."""

_PAYMENT, _EVENT, _DELIVERY, _NOTIFICATION = tables.payment, tables.event, tables.delivery, tables.notification


@dataclass(frozen=True, slots=True)
class PaymentsOfDay:
    """Payments first recorded on a day (local days since 1970), of one status, method and currency. `unannounced` is
    how many came without any webhook: they were found by comparing with i'mport."""

    day: int
    status: str
    pay_method: str | None
    currency: str
    count: int
    amount: Decimal
    cancelled_amount: Decimal
    unannounced: int


@dataclass(frozen=True, slots=True)
class NotificationsOfDay:
    """Webhooks received on a day, of one outcome."""

    day: int
    outcome: str
    count: int


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """Deliveries to an endpoint: how many there were, delivered at the first attempt, delivered at all, dead. `within`
    counts the delivered ones by how long they took, with the bounds of `LATENCIES`."""

    endpoint: str
    count: int
    at_once: int
    delivered: int
    dead: int
    within: tuple[int, ...]

    @property
    def success_rate(self) -> float | None:
        """The share of the ended deliveries that were delivered."""
        ended = self.delivered + self.dead
        return self.delivered / ended if ended else None


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in a window."""

    payments: tuple[PaymentsOfDay, ...]
    notifications: tuple[NotificationsOfDay, ...]
    endpoints: tuple[EndpointFigures, ...]


async def figures(
    database: Database, since: float, until: float, *, merchant: str | None = None, offset: int = 9 * 3600
) -> Figures:
    """What happened in [since, until), UNIX seconds, to one merchant's payments or all."""

    def window(table: Any, at: str) -> ColumnElement[bool]:
        span = and_(table.c[at] >= ms(since), table.c[at] < ms(until))
        return span if merchant is None else and_(span, table.c.merchant == merchant)

    def read(connection: Connection) -> Figures:
        return Figures(
            tuple(_payments(connection, window(_PAYMENT, "first_at"), offset)),
            tuple(_notifications(connection, window(_NOTIFICATION, "received_at"), offset)),
            tuple(_endpoints(connection, window(_DELIVERY, "created_at"))),
        )

    return await database.read(read)


def _day(column: Any, offset: int) -> ColumnElement[int]:
    """The day of a time; both databases divide integers to an integer."""
    day: ColumnElement[int] = (column + offset * 1000) // DAY
    return day


def _payments(connection: Connection, window: ColumnElement[bool], offset: int) -> list[PaymentsOfDay]:
    t = _PAYMENT.c
    announced = exists().where(tables.belongs(_NOTIFICATION, t.imp_uid, t.merchant))
    day = _day(t.first_at, offset)
    rows = connection.execute(
        select(
            day.label("day"),
            t.status,
            t.pay_method,
            t.currency,
            func.count(),
            _sum(t.amount),
            _sum(t.cancelled_amount),
            func.sum(case((announced, 0), else_=1)),
        )
        .where(window)
        .group_by(day, t.status, t.pay_method, t.currency)
        .order_by(day)
    )
    return [
        PaymentsOfDay(
            int(row[0]), row[1], row[2], row[3], row[4], Decimal(str(row[5])), Decimal(str(row[6])), int(row[7])
        )
        for row in rows
    ]


def _sum(amount: Any) -> ColumnElement[str]:
    """The sum as text, so that it never becomes a float."""
    return cast(func.sum(cast(amount, Numeric)), Text)


def _notifications(connection: Connection, window: ColumnElement[bool], offset: int) -> list[NotificationsOfDay]:
    t = _NOTIFICATION.c
    day = _day(t.received_at, offset)
    counted = select(day.label("day"), t.outcome, func.count()).where(window).group_by(day, t.outcome).order_by(day)
    return [NotificationsOfDay(int(row[0]), row[1], row[2]) for row in connection.execute(counted)]


def _endpoints(connection: Connection, window: ColumnElement[bool]) -> list[EndpointFigures]:
    t = _DELIVERY.c
    took = t.changed_at - t.created_at
    is_delivered = t.state == "delivered"

    def sum_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
        return func.sum(case((condition, 1), else_=0))

    bounds = [sum_of(and_(is_delivered, took <= bound)) for bound in LATENCIES]
    counted = select(
        t.endpoint,
        func.count(),
        sum_of(and_(is_delivered, t.attempts <= 1)),
        sum_of(is_delivered),
        sum_of(t.state == "dead"),
        *bounds,
    ).where(window)
    found = []
    for endpoint, count, at_once, delivered, dead, *sums in connection.execute(
        counted.group_by(t.endpoint).order_by(t.endpoint)
    ):
        steps = [int(total) for total in sums] + [int(delivered)]
        within = tuple(high - low for low, high in zip([0, *steps], steps, strict=False))
        found.append(EndpointFigures(endpoint, count, int(at_once), int(delivered), int(dead), within))
    return found
