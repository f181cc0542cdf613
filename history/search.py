"""Search: what a text that an operator has at hand may mean.

Order numbers and imp_uids are found by how they begin, events, deliveries and notifications by their whole id, each in
an index. What buyers typed is found anywhere in it: the newest `MOST` payments are read through, in an index that holds
the texts, and a cursor goes on with older ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.engine import Connection

from history import tables
from history.connection import Database
from history.pages import AnyRow, PageRequest, between, encode, of_row, place
from history.payments import LISTING
from schemas.outbox.entries import Payment
from schemas.outbox.of_change import searchable

MOST = 100_000
"""Payments whose buyers one search reads through."""
SHORTEST = 2
"""Characters of what buyers typed; fewer are found everywhere."""

_NAME = "search"
_LAST = "\U0010ffff"
_T, _EVENT, _DELIVERY, _NOTIFICATION = tables.payment, tables.event, tables.delivery, tables.notification


@dataclass(frozen=True, slots=True)
class Hits:
    """What a text was found in: ids, and payments, the newest first. `next_cursor` goes on with the buyers of older
    payments."""

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
    found: dict[int, AnyRow] = {}
    if is_first:
        for column in (_T.c.merchant_uid, _T.c.imp_uid):
            begins = select(_T).where(column >= text, column < text + _LAST)
            found |= {row.n: row for row in connection.execute(begins.limit(limit))}
    typed, cursor = _typed(connection, text, limit, window)
    found |= {row.n: row for row in typed}
    payments = sorted(found.values(), key=lambda row: place(row, "first_at"), reverse=True)
    event, _, endpoint = text.partition(".")
    event, endpoint = event.lower(), endpoint.lower()
    return Hits(
        payments=tuple(of_row(Payment, row) for row in payments),
        events=_ids(connection, select(_EVENT.c.id).where(_EVENT.c.id == event)) if is_first else (),
        deliveries=_deliveries(connection, event, endpoint) if is_first and endpoint else (),
        notifications=_ids(connection, select(_NOTIFICATION.c.id).where(_NOTIFICATION.c.id == text.lower()))
        if is_first
        else (),
        next_cursor=cursor,
    )


def _typed(
    connection: Connection, text: str, limit: int, window: list[ColumnElement[bool]]
) -> tuple[list[AnyRow], str | None]:
    needle = searchable([text])
    if len(needle) < SHORTEST:
        return [], None
    step = (
        select(_T.c.first_at, _T.c.n, _T.c.payer)
        .where(*window)
        .order_by(_T.c.first_at.desc(), _T.c.n.desc())
        .limit(MOST)
        .subquery()
    )
    hits = select(step.c.n, step.c.first_at).where(step.c.payer.contains(needle, autoescape=True))
    newest = hits.order_by(step.c.first_at.desc(), step.c.n.desc()).limit(limit + 1)
    places = connection.execute(newest).all()
    rows = connection.execute(select(_T).where(_T.c.n.in_([row.n for row in places[:limit]]))).all() if places else []
    if len(places) > limit:
        return list(rows), encode(_NAME, *place(places[limit - 1], "first_at"))
    end = select(step.c.first_at, step.c.n).order_by(step.c.first_at, step.c.n).limit(1)
    is_full = connection.execute(select(_T.c.n).where(*window).order_by(_T.c.first_at.desc()).offset(MOST).limit(1))
    last = connection.execute(end).first() if is_full.first() is not None else None
    return list(rows), encode(_NAME, *place(last, "first_at")) if last is not None else None


def _ids(connection: Connection, wanted: Any) -> tuple[str, ...]:
    return tuple(connection.execute(wanted).scalars())


def _deliveries(connection: Connection, event: str, endpoint: str) -> tuple[str, ...]:
    of = select(_EVENT.c.imp_uid).where(_EVENT.c.id == event).scalar_subquery()
    mine = (_DELIVERY.c.imp_uid == of, _DELIVERY.c.event == event, _DELIVERY.c.endpoint == endpoint)
    return tuple(f"{row.event}.{row.endpoint}" for row in connection.execute(select(_DELIVERY).where(*mine)))
