"""Cold payments: all of a payment that has left the ledger, in parts, so that long histories do not fill the memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence

from sqlalchemy import and_, func, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.events import Events
from history.pages import PageRequest, of_row
from history.payments import Payments
from schemas.errors import NotFound
from schemas.outbox.cold_payment import MOST_ATTEMPTS, ColdPart, Name
from schemas.outbox.entries import Attempt, Delivery, Event, Payment

MOST_EVENTS = 100
"""Events of one part."""

_DELIVERY, _ATTEMPT = tables.delivery, tables.attempt
_Sent = tuple[Delivery, tuple[Attempt, ...]]


class ColdPayments:
    """What a ledger puts back (see `ledger.cold_payments`)."""

    def __init__(self, database: Database, payments: Payments, events: Events) -> None:
        self._database = database
        self._payments = payments
        self._events = events

    async def some(self, names: Sequence[Name]) -> Mapping[Name, Payment]:
        """Those of these payments that there are, by one query."""
        return await self._payments.some(names)

    async def parts(self, merchant: str, imp_uid: str) -> AsyncIterator[ColdPart]:
        """A payment, the latest events first; nothing where there is none."""
        payment = (await self.some([(merchant, imp_uid)])).get((merchant, imp_uid))
        if payment is None:
            return
        cursor, more = None, True
        while more:
            page = await self._events.list(PageRequest(MOST_EVENTS, cursor), merchant=merchant, imp_uid=imp_uid)
            cursor, more = page.next_cursor, page.next_cursor is not None
            events = page.rows[::-1]
            yield ColdPart(merchant, imp_uid, events, await self._sent(events), None if more else payment)

    async def of_event(self, event_id: str) -> AsyncIterator[ColdPart]:
        """The payment of an event; the event alone if it belongs to none, nothing where there is no such event."""
        try:
            event = await self._events.get(event_id)
        except NotFound:
            return
        if event.imp_uid:
            async for part in self.parts(event.merchant, event.imp_uid):
                yield part
        else:
            yield ColdPart(event.merchant, "", (event,), await self._sent([event]))

    async def _sent(self, events: Sequence[Event]) -> tuple[_Sent, ...]:
        if not events:
            return ()
        imp_uid, ids = events[0].imp_uid, [event.id for event in events]

        def read(connection: Connection) -> tuple[_Sent, ...]:
            mine = and_(_DELIVERY.c.imp_uid == imp_uid, _DELIVERY.c.event.in_(ids))
            rows = connection.execute(select(_DELIVERY).where(mine).order_by(_DELIVERY.c.n)).all()
            attempts = _attempts(connection, imp_uid, ids)
            sent = (of_row(Delivery, row) for row in rows)
            return tuple((one, tuple(attempts.get((one.event, one.endpoint), ()))) for one in sent)

        return await self._database.read(read)


def _attempts(connection: Connection, imp_uid: str, events: Sequence[str]) -> Mapping[tuple[str, str], list[Attempt]]:
    """The latest attempts of each delivery of these events, oldest first."""
    delivery = (_ATTEMPT.c.event, _ATTEMPT.c.endpoint)
    newest = func.row_number().over(partition_by=delivery, order_by=_ATTEMPT.c.number.desc()).label("newest")
    mine = and_(_ATTEMPT.c.imp_uid == imp_uid, _ATTEMPT.c.event.in_(events))
    numbered = select(_ATTEMPT, newest).where(mine).subquery()
    kept = select(*(numbered.c[column.name] for column in _ATTEMPT.c)).where(numbered.c.newest <= MOST_ATTEMPTS)
    found: dict[tuple[str, str], list[Attempt]] = {}
    for row in connection.execute(kept.order_by(numbered.c.number)):
        found.setdefault((row.event, row.endpoint), []).append(Attempt(*row))
    return found
