"""Search: what a text that an operator has at hand may mean.

Order numbers and imp_uids are found by how they begin (see `history.named_payments`), events, deliveries and
notifications by their whole id, each in an index. Where nothing is called by the text, or behind the cursor, it is what
a buyer typed, found anywhere in it: the newest `MOST` payments are read through, in an index that holds the texts, and
the cursor goes on with older ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.named_payments import named
from history.pages import AnyRow, PageRequest, between, encode, of_row, place
from history.payments import LISTING
from schemas.outbox.entries import Payment
from schemas.outbox.of_change import searchable

MOST = 25_000
"""Payments whose buyers one search reads through."""
SHORTEST = 2
"""Characters of what buyers typed; fewer are found everywhere."""

_NAME = "search"
_LATEST = 2**62
_T, _EVENT, _DELIVERY, _NOTIFICATION = tables.payment, tables.event, tables.delivery, tables.notification


@dataclass(frozen=True, slots=True)
class Hits:
    """What a text was found in: ids, and payments, the newest first, behind those whose whole number it is.
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
        window = between_cursor(cursor)
        return await self._database.read(lambda connection: _find(connection, text, limit, window, cursor is None))


def between_cursor(cursor: str | None) -> list[ColumnElement[bool]]:
    """The payments behind a search's cursor. Raises `Invalid`."""
    if cursor is None:
        return []
    return between(LISTING, PageRequest(cursor=cursor), name=_NAME)


def _find(connection: Connection, text: str, limit: int, window: list[ColumnElement[bool]], is_first: bool) -> Hits:
    if is_first and (named := _named(connection, text, limit)):
        return replace(named, next_cursor=encode(_NAME, _LATEST, _LATEST))
    rows, cursor = _typed(connection, text, limit, window)
    return Hits(payments=tuple(of_row(Payment, row) for row in rows), next_cursor=cursor)


def _named(connection: Connection, text: str, limit: int) -> Hits | None:
    """What is called by the text; None where nothing is."""
    name = text.lower()
    event, _, endpoint = name.partition(".")
    hits = Hits(
        payments=tuple(of_row(Payment, row) for row in named(connection, text, limit)),
        events=_ids(connection, select(_EVENT.c.id).where(_EVENT.c.id == name)),
        deliveries=_deliveries(connection, event, endpoint) if endpoint else (),
        notifications=_ids(connection, select(_NOTIFICATION.c.id).where(_NOTIFICATION.c.id == name)),
    )
    return hits if hits != Hits() else None


def _typed(
    connection: Connection, text: str, limit: int, window: list[ColumnElement[bool]]
) -> tuple[Sequence[AnyRow], str | None]:
    """Payments whose buyer typed the text, among the newest `MOST`; the cursor of what follows."""
    needle = searchable([text])
    if len(needle) < SHORTEST:
        return [], None
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
    return rows, encode(_NAME, *place(last, "first_at")) if last is not None else None


def _ids(connection: Connection, wanted: Any) -> tuple[str, ...]:
    return tuple(connection.execute(wanted).scalars())


def _deliveries(connection: Connection, event: str, endpoint: str) -> tuple[str, ...]:
    of = select(_EVENT.c.imp_uid).where(_EVENT.c.id == event).scalar_subquery()
    mine = (_DELIVERY.c.imp_uid == of, _DELIVERY.c.event == event, _DELIVERY.c.endpoint == endpoint)
    return tuple(f"{row.event}.{row.endpoint}" for row in connection.execute(select(_DELIVERY).where(*mine)))
