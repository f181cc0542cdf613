"""Payments that are called by a text, their order number or imp_uid: those whose whole number it is, then the newest of
those whose number begins with it.

No index has numbers by their beginning and, of these, by time. So the newest payments of all are looked through first:
where very many begin alike, enough of these are among them. Where not, the numbers that begin so are read from the last
one on, as numbers grow with time, and the newest of `MOST` are taken: of all, where there are no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.pages import AnyRow, Place

NEWEST = 2_000
"""Payments that are looked through, the newest of all."""
MOST = 50_000
MOST_IMP_UIDS = 2_000
"""Numbers that are read from the last one on; of imp_uids fewer, as their index does not have times."""

_LAST = "\U0010ffff"
_T = tables.payment
_NUMBERS: tuple[tuple[Column[Any], int], ...] = ((_T.c.merchant_uid, MOST), (_T.c.imp_uid, MOST_IMP_UIDS))
_PLACE = (_T.c.first_at, _T.c.n)
_NEWEST_FIRST = (_T.c.first_at.desc(), _T.c.n.desc())


def named(connection: Connection, text: str, limit: int) -> Sequence[AnyRow]:
    """The payments that are called so, `limit` at most."""
    found = _whole(connection, text, limit)
    if len(found) < limit:
        found += [one for one in _beginning(connection, text, limit) if one not in found]
    numbers = [n for _, n in found[:limit]]
    rows = {row.n: row for row in connection.execute(select(_T).where(_T.c.n.in_(numbers)))}
    return [rows[n] for n in numbers]


def _whole(connection: Connection, text: str, limit: int) -> list[Place]:
    found: set[Place] = set()
    for number, _ in _NUMBERS:
        wanted = select(*_PLACE).where(number == text).order_by(*_NEWEST_FIRST).limit(limit)
        found |= _places(connection, wanted)
    return sorted(found, reverse=True)


def _beginning(connection: Connection, text: str, limit: int) -> list[Place]:
    newest = select(*_PLACE, *(number for number, _ in _NUMBERS)).order_by(*_NEWEST_FIRST).limit(NEWEST).subquery()
    alike = or_(*(_begins(newest.c[number.name], text) for number, _ in _NUMBERS))
    wanted = select(newest.c.first_at, newest.c.n).where(alike)
    found = _places(connection, wanted.order_by(newest.c.first_at.desc(), newest.c.n.desc()).limit(limit))
    if len(found) < limit:
        for number, most in _NUMBERS:
            last = select(*_PLACE).where(_begins(number, text)).order_by(number.desc()).limit(most).subquery()
            found |= _places(connection, select(last).order_by(last.c.first_at.desc(), last.c.n.desc()).limit(limit))
    return sorted(found, reverse=True)


def _begins(number: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    within: ColumnElement[bool] = and_(number >= text, number < text + _LAST)
    return within


def _places(connection: Connection, wanted: Any) -> set[Place]:
    return {(at, n) for at, n in connection.execute(wanted)}
