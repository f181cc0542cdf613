"""Payments with everything that belongs to them, to be put back into a ledger that lacks them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.events import shared_objects
from history.pages import AnyRow, of_row
from history.payments import Payments
from schemas.compression import decompress
from schemas.errors import HistoryDamaged
from schemas.outbox.entries import Attempt, Delivery, Event, Payment
from schemas.outbox.whole_payment import Name, WholePayment
from schemas.reasons import Reason

LATEST = 100
"""Attempts of a delivery that are put back, as many as the ledger stores."""

_EVENT, _DELIVERY, _ATTEMPT = tables.event, tables.delivery, tables.attempt

_Key = tuple[str, str]
_Sent = tuple[Delivery, tuple[Attempt, ...]]


class WholePayments:
    """Reads payments with all that belongs to them."""

    def __init__(self, database: Database, payments: Payments) -> None:
        self._database = database
        self._payments = payments

    async def of(self, payments: Sequence[Payment]) -> Sequence[WholePayment]:
        """These payments, by four queries for all of them."""

        def read(connection: Connection) -> Sequence[WholePayment]:
            imp_uids = {one.imp_uid for one in payments}
            events = connection.execute(
                select(_EVENT).where(_EVENT.c.imp_uid.in_(imp_uids)).order_by(_EVENT.c.recorded_at, _EVENT.c.n)
            ).all()
            of_payment: dict[_Key, list[AnyRow]] = defaultdict(list)
            for row in events:
                of_payment[_key(row)].append(row)
            objects: dict[_Key, dict[int, bytes]] = defaultdict(dict)
            for (imp_uid, merchant, revision), stored in shared_objects(connection, events).items():
                objects[merchant, imp_uid][revision] = stored
            sent = _sent(connection, connection.execute(_deliveries(imp_uids)).all())
            return [
                _whole(one, of_payment[key], objects[key], sent.get(key, ()))
                for key, one in (((one.merchant, one.imp_uid), one) for one in payments)
            ]

        return await self._database.read(read) if payments else []

    async def records(self, names: Sequence[Name]) -> Mapping[Name, Payment]:
        """These payments, by one query; those that history does not have are left out."""
        return await self._payments.some(names)

    async def with_event(self, event_id: str) -> WholePayment | None:
        """The payment of an event; the event alone if it belongs to no payment; None if there is no such event."""
        wanted = select(_EVENT.c.merchant, _EVENT.c.imp_uid).where(_EVENT.c.id == event_id)
        found = await self._database.read(lambda connection: connection.execute(wanted).first())
        if found is None:
            return None
        if not found.imp_uid:
            return await self.without_payment([event_id])
        payments = await self.records([(found.merchant, found.imp_uid)])
        return next(iter(await self.of(list(payments.values()))), None)

    async def without_payment(self, event_ids: Sequence[str]) -> WholePayment:
        """Those of these events that belong to no payment, with their deliveries."""

        def read(connection: Connection) -> WholePayment:
            wanted = select(_EVENT).where(_EVENT.c.id.in_(event_ids), _EVENT.c.imp_uid == "")
            rows = connection.execute(wanted.order_by(_EVENT.c.recorded_at, _EVENT.c.n)).all()
            mine = [row.id for row in rows]
            sent = _sent(connection, connection.execute(_deliveries([""], mine)).all())
            deliveries = tuple(one for found in sent.values() for one in found)
            return WholePayment(None, tuple(map(_plain, rows)), deliveries)

        return await self._database.read(read)


def _whole(
    payment: Payment, rows: Sequence[AnyRow], stored: Mapping[int, bytes], deliveries: Sequence[_Sent]
) -> WholePayment:
    try:
        objects = {revision: decompress(text) for revision, text in stored.items()}
    except ValueError as error:
        raise HistoryDamaged(Reason.of("history_payment_damaged", imp_uid=payment.imp_uid, error=str(error))) from None
    for row in rows:
        if row.object_revision not in (None, *objects):
            raise _damaged(row.id, "its object of i'mport's is missing")
    return WholePayment(payment, tuple(map(_plain, rows)), tuple(deliveries), objects)


def _plain(row: AnyRow) -> Event:
    event = of_row(Event, row)
    try:
        return replace(event, body=decompress(event.body))
    except ValueError as error:
        raise _damaged(event.id, str(error)) from None


def _sent(connection: Connection, rows: Sequence[AnyRow]) -> Mapping[_Key, Sequence[_Sent]]:
    """The deliveries of these rows by their payment, in the order of their events, with their attempts."""
    made: dict[tuple[str, str], list[Attempt]] = {}
    events = {row.event for row in rows}
    mine = select(_ATTEMPT).where(_ATTEMPT.c.imp_uid.in_({row.imp_uid for row in rows}))
    for row in connection.execute(mine.order_by(_ATTEMPT.c.at, _ATTEMPT.c.number)) if rows else ():
        if row.event in events:
            made.setdefault((row.event, row.endpoint), []).append(Attempt(*row))
    found: dict[_Key, list[_Sent]] = {}
    for row in rows:
        attempts = made.get((row.event, row.endpoint), [])
        found.setdefault(_key(row), []).append((of_row(Delivery, row), tuple(attempts[-LATEST:])))
    return found


def _deliveries(imp_uids: Iterable[str], events: Sequence[str] | None = None) -> Select[Any]:
    wanted = select(_DELIVERY).where(_DELIVERY.c.imp_uid.in_(imp_uids))
    if events is not None:
        wanted = wanted.where(_DELIVERY.c.event.in_(events))
    return wanted.order_by(_DELIVERY.c.sequence, _DELIVERY.c.n)


def _key(row: AnyRow) -> _Key:
    return row.merchant, row.imp_uid


def _damaged(event: str, error: str) -> HistoryDamaged:
    return HistoryDamaged(Reason.of("history_event_damaged", event=event, error=error))
