"""The rows that a lost ledger is put back from: all that are not settled, and those that it must not take for new.

They are read in pages, so they need not fit into memory. A restore may begin again: each row is put back whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Select, Table, or_, select, text, update
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database, Use
from history.deliveries import RecordedDelivery, waits, with_attempts
from history.pages import AnyRow, Place, of_row, oldest, place
from schemas.outbox.entries import Endpoint, Merchant, Notification, Order, Payment, Reconciliation, Replay
from schemas.reasons import Reason, dump
from schemas.times import ms

STEP = 500
"""Rows that are read at once."""
_GIVEN_UP = dump(Reason.of("begun_anew")).decode()
"""Why `give_up` rejects pending webhooks."""


class Restore:
    """The rows to put back, oldest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def merchants(self) -> AsyncIterator[Merchant]:
        """All merchants that were not deleted, with their sealed credentials."""
        async for row in self._rows(tables.merchant, tables.merchant.c.deleted_at.is_(None)):
            yield of_row(Merchant, row)

    async def endpoints(self) -> AsyncIterator[Endpoint]:
        """All endpoints that were not deleted, with their sealed secrets."""
        async for row in self._rows(tables.endpoint, tables.endpoint.c.state != "deleted"):
            yield of_row(Endpoint, row)

    async def orders(self, changed_since: float) -> AsyncIterator[Order]:
        """The expected amounts that merchants gave since a time (UNIX seconds)."""
        table = tables.order_expectation
        asked = select(table).where(table.c.changed_at >= ms(changed_since))
        for row in await self._database.read(lambda connection: connection.execute(asked).all()):
            yield Order(*row)

    async def payments(self, recorded_since: float) -> AsyncIterator[Payment]:
        """Payments first recorded since a time (UNIX seconds), which the ledger would take for new; and payments of any
        age that are to be refreshed again."""
        table, since = tables.payment, ms(recorded_since)
        async for row in self._rows(table, table.c.first_at >= since, at="first_at"):
            yield of_row(Payment, row)
        async for row in self._rows(table, text(tables.UNSETTLED), table.c.first_at < since, at="next_look_at"):
            yield of_row(Payment, row)

    async def deliveries(self) -> AsyncIterator[RecordedDelivery]:
        """Deliveries that are pending or held, with their attempts. The caller asks for their events and payments."""
        table, after, more = tables.delivery, None, True
        while more:
            found, after = await self._database.read(_undelivered(oldest(table, "created_at", after, STEP)))
            more = len(found) == STEP
            for one in found:
                yield one

    async def notifications(self) -> AsyncIterator[Notification]:
        """Pending notifications: webhooks that were acknowledged, and whose payments were not refreshed since."""
        table = tables.notification
        async for row in self._rows(table, table.c.outcome == "pending", at="received_at"):
            yield of_row(Notification, row)

    async def replays(self) -> AsyncIterator[Replay]:
        """Running replays."""
        async for row in self._rows(tables.replay, tables.replay.c.state == "running"):
            yield of_row(Replay, row)

    async def reconciliations(self) -> AsyncIterator[Reconciliation]:
        """Running reconciliations, and how far the automatic ones are."""
        table = tables.reconciliation
        async for row in self._rows(table, or_(table.c.state == "running", table.c.id.startswith("auto/"))):
            yield of_row(Reconciliation, row)

    async def give_up(self, now: float) -> None:
        """Close everything that will not go on, after the ledger was begun anew at `now` (UNIX seconds): merchants and
        endpoints count as deleted, replays and reconciliations end, no payment is to be refreshed, and pending webhooks
        are rejected."""
        await self._database.write(lambda connection: _give_up(connection, ms(now)))

    async def _rows(self, table: Table, *conditions: Any, at: str = "created_at") -> AsyncIterator[AnyRow]:
        after, more = None, True
        while more:
            wanted = oldest(table, at, after, STEP).where(*conditions)
            rows = await self._database.read(_all(wanted))
            for row in rows:
                yield row
            more = len(rows) == STEP
            after = place(rows[-1], at) if more else None


def _give_up(connection: Connection, at: int) -> None:
    new = {"changed_at": at, "revision": at * 1000}
    merchant, endpoint, payment, notification = tables.merchant, tables.endpoint, tables.payment, tables.notification
    connection.execute(update(merchant).where(merchant.c.deleted_at.is_(None)).values(deleted_at=at, **new))
    connection.execute(update(endpoint).where(endpoint.c.state != "deleted").values(state="deleted", **new))
    for table, ended in ((tables.replay, "stopped"), (tables.reconciliation, "done")):
        connection.execute(update(table).where(table.c.state == "running").values(state=ended, **new))
    connection.execute(update(payment).where(text(tables.UNSETTLED)).values(next_look_at=None))
    settled = {"outcome": "rejected", "reason": _GIVEN_UP, "revision": notification.c.revision + 1}
    pending = (notification.c.outcome == "pending", text(tables.UNUSUAL))
    connection.execute(update(notification).where(*pending).values(settled))


def _all(wanted: Select[Any]) -> Use[Sequence[AnyRow]]:
    return lambda connection: connection.execute(wanted).all()


def _undelivered(wanted: Select[Any]) -> Use[tuple[tuple[RecordedDelivery, ...], Place | None]]:
    pending = (waits(), text(tables.UNDELIVERED))

    def read(connection: Connection) -> tuple[tuple[RecordedDelivery, ...], Place | None]:
        rows = connection.execute(wanted.where(*pending)).all()
        return with_attempts(connection, rows), place(rows[-1], "created_at") if rows else None

    return read
