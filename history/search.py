"""Search: finds what an operator's text may mean.

The text may be the beginning of an order number or an imp_uid (see `history.named_payments`), or the whole id of an
event, a delivery or a notification. An index finds each of these. If there are none, or after all of them, the text may
be anywhere in what a buyer typed. For that a search reads through the newest `MOST` payments, in an index that holds
what buyers typed, and its cursor goes on with older payments.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.named_payments import Position, is_called, named, position
from history.pages import PageRequest, between, encode, of_row, place
from history.payments import LISTING
from schemas.endpoints.delivery_id import delivery_id_of, event_and_endpoint
from schemas.outbox.entries import Payment
from schemas.outbox.of_change import searchable

MOST = 15_000
"""Payments whose buyers one search reads through."""
SHORTEST = 2
"""Characters that a search in what buyers typed needs; fewer would be found everywhere."""

_NAME = "search"
_BUYERS = encode(_NAME, 2**62, 2**62)
"""The cursor of the newest payments whose buyer typed the text."""
_T, _EVENT, _DELIVERY, _NOTIFICATION = tables.payment, tables.event, tables.delivery, tables.notification


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found: ids and payments. Payments whose whole number the text is come first, then the newest.
    `next_cursor` goes on with the buyers of older payments."""

    payments: tuple[Payment, ...] = ()
    events: tuple[str, ...] = ()
    deliveries: tuple[str, ...] = ()
    notifications: tuple[str, ...] = ()
    next_cursor: str | None = None


class Search:
    """Finds things by a text."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, text: str, *, limit: int = 20, cursor: str | None = None) -> Hits:
        """What `text` may mean. Raises `Invalid` for a cursor that no search gave."""
        text = text.strip().replace("\0", "")
        if not text:
            return Hits()
        begin = Position() if cursor is None else position(cursor)
        if begin is not None:
            return await self._database.read(lambda connection: _find(connection, text, limit, begin))
        window = between(LISTING, PageRequest(cursor=cursor), name=_NAME)
        return await self._database.read(lambda connection: _typed(connection, text, limit, window))


def _find(connection: Connection, text: str, limit: int, begin: Position) -> Hits:
    """Payments and ids that match the text; if there are none, payments whose buyer typed it."""
    found = named(connection, text, limit, begin)
    hits = Hits(tuple(of_row(Payment, row) for row in found.rows))
    if begin == Position():
        hits = _with_ids(connection, hits, text)
        if hits == Hits() and found.following is None:
            return _typed(connection, text, limit, [])
    return replace(hits, next_cursor=_BUYERS if found.following is None else found.following.cursor)


def _with_ids(connection: Connection, hits: Hits, text: str) -> Hits:
    name = text.lower()
    event, endpoint = event_and_endpoint(name)
    return replace(
        hits,
        events=_ids(connection, select(_EVENT.c.id).where(_EVENT.c.id == name)),
        deliveries=_deliveries(connection, event, endpoint) if endpoint else (),
        notifications=_ids(connection, select(_NOTIFICATION.c.id).where(_NOTIFICATION.c.id == name)),
    )


def _typed(connection: Connection, text: str, limit: int, window: list[ColumnElement[bool]]) -> Hits:
    """Payments whose buyer typed the text, among the newest `MOST`, without those whose numbers begin with it."""
    needle = searchable([text])
    if len(needle) < SHORTEST:
        return Hits()
    newest = select(_T.c.first_at, _T.c.n).where(*window).order_by(_T.c.first_at.desc(), _T.c.n.desc())
    end = connection.execute(newest.offset(MOST - 1).limit(1)).first()
    matching = newest.where(_T.c.payer.contains(needle, autoescape=True))
    if end is not None:
        at, n = place(end, "first_at")
        matching = matching.where(_T.c.first_at >= at, or_(_T.c.first_at > at, _T.c.n >= n))
    places = connection.execute(matching.limit(limit + 1)).all()
    wanted = select(_T).where(_T.c.n.in_([row.n for row in places[:limit]]))
    rows = connection.execute(wanted.order_by(_T.c.first_at.desc(), _T.c.n.desc())).all() if places else []
    last = places[limit - 1] if len(places) > limit else end
    others = tuple(of_row(Payment, row) for row in rows if not is_called(row, text))
    return Hits(others, next_cursor=encode(_NAME, *place(last, "first_at")) if last is not None else None)


def _ids(connection: Connection, wanted: Any) -> tuple[str, ...]:
    return tuple(connection.execute(wanted).scalars())


def _deliveries(connection: Connection, event: str, endpoint: str) -> tuple[str, ...]:
    of = select(_EVENT.c.imp_uid).where(_EVENT.c.id == event).scalar_subquery()
    mine = (_DELIVERY.c.imp_uid == of, _DELIVERY.c.event == event, _DELIVERY.c.endpoint == endpoint)
    return tuple(delivery_id_of(row.event, row.endpoint) for row in connection.execute(select(_DELIVERY).where(*mine)))
