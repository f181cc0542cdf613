"""Lists: newest first, a page at a time, along an index.

A cursor is the place of the last row looked at, so it stays good while rows come and go. A page reads at most `MOST`
rows that its filters leave out: it may be shorter than asked for, even empty, and still have a next cursor.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from sqlalchemy import Column, ColumnElement, Row, Select, Table, and_, or_, select, text
from sqlalchemy.engine import Connection

from schemas.errors import Invalid
from schemas.reasons import Reason
from schemas.times import ms

FIRST = 4
"""A page of `limit` rows first reads `limit` times this many along an index: enough if most pass its filters."""
MOST = 5_000
"""Rows along an index that one page reads, at most."""

T = TypeVar("T")
AnyRow = Row[*tuple[Any, ...]]
Condition = Callable[[Any], ColumnElement[bool]]
Place = tuple[int, int]
"""Where a row stands in a list: its time in ms and its `n`."""
Found = tuple[Sequence[AnyRow], str | None]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and the cursor of those that follow, if there may be any."""

    rows: tuple[T, ...]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is wanted: `limit` rows after `cursor`, of the window [since, until) in UNIX seconds."""

    limit: int = 50
    cursor: str | None = None
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """A way along an index: rows whose `columns` have given values, sorted by time. The condition of a partial index is
    in `where`; `serves` says for which values of its first column the index can be used."""

    columns: tuple[str, ...] = ()
    where: str = ""
    serves: Callable[[Any], bool] = lambda value: True  # noqa: ARG005  # most serve all


@dataclass(frozen=True, slots=True)
class Listing:
    """A list: its name (cursors are bound to it), its table, the column of its time, and its walks, the best first."""

    name: str
    table: Table
    at: str
    walks: tuple[Walk, ...]

    @property
    def time(self) -> Column[int]:
        """The column it is sorted by, before `n`."""
        return self.table.c[self.at]

    def walk(self, filters: Mapping[str, Any]) -> Walk:
        """The best way for these filters."""
        return next(walk for walk in self.walks if _serves(walk, filters))


def page(
    connection: Connection,
    listing: Listing,
    part: PageRequest,
    filters: Mapping[str, Any],
    condition: Condition | None = None,
) -> Found:
    """A page of a list's rows, and the cursor of the next. `filters` are columns with their values, None for any;
    `condition` is a further condition on the columns.

    Raises `Invalid` for a cursor that is not of this list, and for a window that ends before it begins.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    walk, way = listing.walk(given), steps(listing, given, between(listing, part))
    rest = [name for name in given if name not in walk.columns]
    if not rest and condition is None:
        rows = connection.execute(way.limit(part.limit + 1)).all()
        return _cut(listing, rows, part.limit)
    for most in (part.limit * FIRST, MOST):
        step = way.limit(most).subquery()
        kept = select(step).where(*(step.c[name] == given[name] for name in rest))
        kept = kept if condition is None else kept.where(condition(step.c))
        rows = connection.execute(kept.order_by(step.c[listing.at].desc(), step.c.n.desc()).limit(part.limit + 1)).all()
        if len(rows) > part.limit:
            return _cut(listing, rows, part.limit)
    last_read = way.with_only_columns(listing.time, listing.table.c.n, maintain_column_froms=True)
    last = connection.execute(last_read.offset(MOST - 1).limit(1)).first()
    return rows, _cursor(listing, last) if last is not None else None


def merged(listing: Listing, part: PageRequest, pages: Sequence[Found]) -> Found:
    """Merge pages of the same list into one. No row may be in two of them."""
    reached = [decode(listing.name, cursor) for _, cursor in pages if cursor is not None]
    floor = max(reached, default=None)
    found = sorted((row for rows, _ in pages for row in rows), key=lambda row: _place(listing, row), reverse=True)
    rows = [row for row in found if floor is None or _place(listing, row) >= floor]
    if len(rows) > part.limit:
        return _cut(listing, rows, part.limit)
    return rows, encode(listing.name, *floor) if floor is not None else None


def steps(listing: Listing, given: Mapping[str, Any], window: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Rows along the best index for these filters, newest first. Filters that the index lacks are not applied."""
    walk, table = listing.walk(given), listing.table
    where = [table.c[name] == given[name] for name in walk.columns]
    partial = [text(walk.where)] if walk.where else []
    return select(table).where(*where, *partial, *window).order_by(listing.time.desc(), table.c.n.desc())


def between(listing: Listing, part: PageRequest, *, name: str = "") -> list[ColumnElement[bool]]:
    """The window and the cursor of a request, as conditions. The cursor is one of the list `name`, by default of this
    list. Raises `Invalid`."""
    if part.since is not None and part.until is not None and part.until < part.since:
        raise Invalid("until", Reason.of("not_before_since"))
    at, n = listing.time, listing.table.c.n
    found: list[ColumnElement[bool]] = []
    if part.since is not None:
        found.append(at >= ms(part.since))
    if part.until is not None:
        found.append(at < ms(part.until))
    if part.cursor is not None:
        found.append(is_behind(at, n, decode(name or listing.name, part.cursor)))
    return found


def is_behind(at: ColumnElement[Any], n: ColumnElement[Any], last: Place) -> ColumnElement[bool]:
    """Whether a row comes after a place in a list that is sorted newest first."""
    last_at, last_n = last
    # An index is searched by the first; the second leaves out rows of the same millisecond that were shown before.
    return and_(at <= last_at, or_(at < last_at, n < last_n))


def oldest(table: Table, at: str, after: Place | None, limit: int) -> Select[Any]:
    """Rows of a table after a place, oldest first by a column of time: for callers that read or remove all rows."""
    time, n = table.c[at], table.c.n
    wanted = select(table).order_by(time, n).limit(limit)
    if after is None:
        return wanted
    last_at, last_n = after
    return wanted.where(time >= last_at, or_(time > last_at, n > last_n))


def encode(name: str, at: int, n: int) -> str:
    """The cursor of the row at this place of a list."""
    return to_cursor([name, at, n])


def to_cursor(parts: Sequence[Any]) -> str:
    """A cursor with these parts."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def from_cursor(cursor: str) -> Any:
    """The parts of a cursor. Raises `ValueError` if it is not one."""
    return orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))


def decode(name: str, cursor: str) -> Place:
    """The place in a cursor of this list. Raises `Invalid`."""
    try:
        of, at, n = from_cursor(cursor)
    except (ValueError, TypeError):
        raise Invalid("cursor", Reason.of("bad_cursor")) from None
    if of != name or type(at) is not int or type(n) is not int or max(abs(at), abs(n)) >= 2**63:
        raise Invalid("cursor", Reason.of("cursor_of_another_list"))
    return at, n


def place(row: AnyRow, at: str) -> Place:
    """Where a row stands in a list that is sorted by this column of time."""
    found = row._mapping  # SQLAlchemy's own name for reading a row by a column's name
    return found[at], found["n"]


def of_row(kind: Callable[..., T], row: AnyRow) -> T:
    """The entry of a row: after `n`, a table's columns are the fields of its entries."""
    return kind(*tuple(row)[1:])


def _cut(listing: Listing, rows: Sequence[AnyRow], limit: int) -> Found:
    return rows[:limit], _cursor(listing, rows[limit - 1]) if len(rows) > limit else None


def _cursor(listing: Listing, row: AnyRow) -> str:
    return encode(listing.name, *_place(listing, row))


def _place(listing: Listing, row: AnyRow) -> Place:
    return place(row, listing.at)


def _serves(walk: Walk, filters: Mapping[str, Any]) -> bool:
    is_given = all(name in filters for name in walk.columns)
    return is_given and (not walk.where or walk.serves(filters[walk.columns[0]]))
