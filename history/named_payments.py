"""Payments whose number (order number or imp_uid) matches a text. Those whose whole number the text is come first, then
those whose number begins with it. The pages of a search have each payment once, and leave none out.

No index finds numbers by their beginning and sorts them by time. So a search goes on in steps:

whole     payments whose whole number the text is, newest first
newest    newest first, as long as enough of the next `NEWEST` payments match. If too few do, but no more than `NUMBERS`
          match in all, these are read and sorted
number    the rest by order number, the last first: numbers grow with time
imp_uid   what is still left, by imp_uid

A cursor has the step, the floor (`newest` has read all that is newer), and the place in the order of numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, Select, and_, not_, or_, select
from sqlalchemy.engine import Connection

from history import tables
from history.pages import AnyRow, Place, from_cursor, is_behind, to_cursor
from schemas.errors import Invalid
from schemas.reasons import Reason

NEWEST = 2_000
"""Payments that are read through at once, in the order of time."""

_LAST = "\U0010ffff"
_T = tables.payment
NUMBERS: tuple[tuple[Column[Any], int], ...] = ((_T.c.merchant_uid, 50_000), (_T.c.imp_uid, 2_000))
"""Numbers of each kind that are read at once. The index of imp_uids does not have the times, so these are fewer."""

_NAME = "named"
_PLACE = (_T.c.first_at, _T.c.n)
_NEWEST_FIRST = (_T.c.first_at.desc(), _T.c.n.desc())
_TOP: Place = (2**62, 2**62)
_STEPS = ("whole", "newest", "number", "imp_uid")
_Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a search goes on: after `floor`, and in the order of numbers after `key`."""

    step: str = "whole"
    floor: Place = _TOP
    key: _Key | None = None

    @property
    def cursor(self) -> str:
        """The position as the cursor of a page."""
        parts = [_NAME, self.step, *self.floor, *(self.key or (None, 0, 0))]
        return to_cursor(parts)


@dataclass(frozen=True, slots=True)
class Named:
    """Some payments, and the position of those that follow, if there may be any."""

    rows: Sequence[AnyRow]
    following: Position | None


def position(cursor: str) -> Position | None:
    """The position of this cursor; None if it is not of such a search. Raises `Invalid` if its parts are invalid."""
    try:
        parts = from_cursor(cursor)
    except ValueError:
        return None  # the caller takes it for another list's cursor, and finds what is wrong
    if not isinstance(parts, list) or parts[:1] != [_NAME]:
        return None
    match parts:
        case [_, str(step), int(at), int(n), str() | None as number, int(key_at), int(key_n)] if (
            step in _STEPS
            and max(map(abs, (at, n, key_at, key_n))) < 2**63
            and "\0" not in (number or "")
            and not any(isinstance(part, bool) for part in parts)
        ):
            return Position(step, (at, n), None if number is None else (number, key_at, key_n))
    raise Invalid("cursor", Reason.of("cursor_of_another_list"))


def named(connection: Connection, text: str, limit: int, begin: Position) -> Named:
    """The payments from `begin` on whose number matches the text, `limit` at most."""
    search = _Search(connection, text)
    found: list[Place] = []
    at: Position | None = begin
    while at is not None and len(found) < limit:
        before, (places, at) = at, search.step(at, limit - len(found))
        found += places
        if at is not None and at.step == before.step:
            break  # it has read as much as one page may
    rows = {row.n: row for row in connection.execute(select(_T).where(_T.c.n.in_([n for _, n in found])))}
    return Named([rows[n] for _, n in found], at)


_Found = tuple[list[Place], Position | None]


class _Search:
    """The steps of a search for one text."""

    def __init__(self, connection: Connection, text: str) -> None:
        self._connection = connection
        self._text = text

    def step(self, at: Position, limit: int) -> _Found:
        """What a step finds from this position on, and the position where the search goes on."""
        match at.step:
            case "whole":
                return self._whole(at, limit)
            case "newest":
                return self._newest(at, limit)
            case "number":
                return self._by_number(at, limit, _T.c.merchant_uid, Position("imp_uid", at.floor))
        return self._by_number(at, limit, _T.c.imp_uid, None)

    def _whole(self, at: Position, limit: int) -> _Found:
        found: set[Place] = set()
        for number, _ in NUMBERS:
            wanted = select(*_PLACE).where(number == self._text, _is_behind(_T, at.floor))
            found |= self._places(wanted.order_by(*_NEWEST_FIRST).limit(limit + 1))
        return _cut(found, limit, at, Position("newest"))

    def _newest(self, at: Position, limit: int) -> _Found:
        columns = (*_PLACE, *(number for number, _ in NUMBERS))
        way = select(*columns).where(_is_behind(_T, at.floor)).order_by(*_NEWEST_FIRST)
        some = way.limit(NEWEST).subquery()
        alike = or_(*(_begins(some.c[number.name], self._text) for number, _ in NUMBERS))
        wanted = select(some.c.first_at, some.c.n).where(alike, *self._is_not_whole(some))
        found = self._places(wanted.order_by(some.c.first_at.desc(), some.c.n.desc()).limit(limit + 1))
        if len(found) > limit:
            return _cut(found, limit, at, None)
        last = self._connection.execute(way.offset(NEWEST - 1).limit(1)).first()
        if last is None:
            return _cut(found, limit, at, None)
        few = self._all_of_few(limit, at.floor)
        if few is not None:
            return _cut(few, limit, at, None)
        return _cut(found, limit, at, Position("number", (last.first_at, last.n)))

    def _all_of_few(self, limit: int, floor: Place) -> set[Place] | None:
        """The newest matches after the floor, out of all; None if too many match to read them all."""
        found: set[Place] = set()
        for number, most in NUMBERS:
            alike = _begins(number, self._text)
            if self._connection.execute(select(number).where(alike).order_by(number).offset(most).limit(1)).first():
                return None
            # The limit keeps PostgreSQL from looking for them in the order of time.
            some = select(*_PLACE, *self._read_with(number)).where(alike).order_by(number.desc()).limit(most).subquery()
            wanted = select(some.c.first_at, some.c.n).where(_is_behind(some, floor), *self._is_not_whole(some))
            found |= self._places(wanted.order_by(some.c.first_at.desc(), some.c.n.desc()).limit(limit + 1))
        return found

    def _by_number(self, at: Position, limit: int, number: Column[Any], following: Position | None) -> _Found:
        """Payments after the floor, which `newest` has reached, in the order of a number, the last first."""
        behind = () if at.key is None else (_is_before(number, at.key),)
        way = select(*_PLACE, *self._read_with(number)).where(_begins(number, self._text), *behind)
        way = way.order_by(number.desc(), *_NEWEST_FIRST)
        some = way.limit(NEWEST).subquery()
        wanted = select(some).where(_is_behind(some, at.floor), *self._is_not_whole(some))
        if number is _T.c.imp_uid:
            wanted = wanted.where(not_(_begins(some.c.merchant_uid, self._text)))
        in_order = (some.c[number.name].desc(), some.c.first_at.desc(), some.c.n.desc())
        rows = self._connection.execute(wanted.order_by(*in_order).limit(limit + 1)).all()
        shown = [(row.first_at, row.n) for row in rows[:limit]]
        last = (
            rows[limit - 1] if len(rows) > limit else self._connection.execute(way.offset(NEWEST - 1).limit(1)).first()
        )
        if last is None:
            return shown, following
        return shown, replace(at, key=(last._mapping[number.name], last.first_at, last.n))

    def _read_with(self, number: Column[Any]) -> Sequence[Column[Any]]:
        """The numbers that are read of each payment: the index of order numbers does not have the imp_uid."""
        return [number] if number is _T.c.merchant_uid else [number, _T.c.merchant_uid]

    def _is_not_whole(self, some: FromClause) -> Sequence[ColumnElement[bool]]:
        """The conditions that leave out payments that `whole` has found."""
        called_so = select(_T.c.n).where(_T.c.imp_uid == self._text)
        return some.c.merchant_uid != self._text, some.c.n.not_in(called_so)

    def _places(self, wanted: Select[Any]) -> set[Place]:
        return {(at, n) for at, n in self._connection.execute(wanted)}


def is_called(row: AnyRow, text: str) -> bool:
    """Whether a search for this text finds this payment by its numbers."""
    found: bool = row.merchant_uid.startswith(text) or row.imp_uid.startswith(text)
    return found


def _cut(found: set[Place], limit: int, at: Position, following: Position | None) -> _Found:
    places = sorted(found, reverse=True)
    return (places[:limit], replace(at, floor=places[limit - 1])) if len(places) > limit else (places, following)


def _begins(number: ColumnElement[Any], text: str) -> ColumnElement[bool]:
    within: ColumnElement[bool] = and_(number >= text, number < text + _LAST)
    return within


def _is_behind(some: FromClause, floor: Place) -> ColumnElement[bool]:
    return is_behind(some.c.first_at, some.c.n, floor)


def _is_before(number: Column[Any], key: _Key) -> ColumnElement[bool]:
    last, at, n = key
    return and_(number <= last, or_(number < last, _is_behind(_T, (at, n))))
