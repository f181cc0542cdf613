"""Exports: every row of a list, oldest first, with the memory of one step.

Rows are read in steps along an index, so an export of any length holds no transaction open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.engine import Connection

from history import deliveries, events, notifications, payments
from history.connection import Database, Use
from history.deliveries import with_attempts
from history.export_fields import Fields, Words, of_delivery, of_event, of_notification, of_payment
from history.export_formats import csv_head, csv_rows, ndjson
from history.pages import AnyRow, Listing, PageRequest, between, of_row, oldest, place
from schemas.errors import Invalid
from schemas.outbox.entries import Event, Notification, Payment
from schemas.reasons import Reason

What = Literal["payments", "events", "deliveries", "notifications"]
Format = Literal["ndjson", "csv"]
Shown = Callable[[Event], Event]

STEP = 200
"""Rows that are read at once."""

_LISTINGS: Mapping[str, Listing] = {
    "payments": payments.LISTING,
    "events": events.LISTING,
    "deliveries": deliveries.LISTING,
    "notifications": notifications.LISTING,
}


def as_recorded(event: Event) -> Event:
    """An event with all that was recorded."""
    return event


class Exports:
    """Streams of rows. `words` puts a stored reason into words; `shown` returns an event as the caller may see it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(
        self, what: What, *, since: float | None = None, until: float | None = None, merchant: str | None = None
    ) -> int:
        """How many rows an export has now, to show its progress. Raises `Invalid`."""
        listing = _listing(what)
        window = _window(listing, since, until, merchant)
        counted = select(func.count()).select_from(listing.table).where(*window)
        return await self._database.read(lambda connection: connection.execute(counted).scalar_one())

    async def stream(
        self,
        what: What,
        format_: Format = "ndjson",
        *,
        since: float | None = None,
        until: float | None = None,
        merchant: str | None = None,
        words: Words = str,
        shown: Shown = as_recorded,
    ) -> AsyncIterator[bytes]:
        """The rows in pieces of up to `STEP`, of the window [since, until) in UNIX seconds.

        Raises `Invalid` for a window that ends before it begins, before the first piece; and `HistoryUnavailable`.
        """
        listing = _listing(what)
        if format_ not in get_args(Format):
            raise Invalid("format", Reason.of("not_one_of", expected="ndjson, csv"))
        window = _window(listing, since, until, merchant)
        if format_ == "csv":
            yield csv_head(what)
        after, more = None, True
        while more:
            step = oldest(listing.table, listing.at, after, STEP).where(*window)
            rows, fields = await self._database.read(_read(what, step, words, shown))
            if rows:
                after = place(rows[-1], listing.at)
                yield csv_rows(what, fields) if format_ == "csv" else ndjson(fields)
            more = len(rows) == STEP


def _listing(what: str) -> Listing:
    if what not in _LISTINGS:
        raise Invalid("what", Reason.of("not_one_of", expected=", ".join(_LISTINGS)))
    return _LISTINGS[what]


def _window(
    listing: Listing, since: float | None, until: float | None, merchant: str | None
) -> list[ColumnElement[bool]]:
    window = between(listing, PageRequest(since=since, until=until))
    return window if merchant is None else [*window, listing.table.c.merchant == merchant]


def _read(what: What, step: Select[Any], words: Words, shown: Shown) -> Use[tuple[Sequence[AnyRow], list[Fields]]]:
    def read(connection: Connection) -> tuple[Sequence[AnyRow], list[Fields]]:
        rows = connection.execute(step).all()
        match what:
            case "payments":
                return rows, [of_payment(of_row(Payment, row)) for row in rows]
            case "events":
                objects = events.shared_objects(connection, rows)
                return rows, [of_event(shown(events.whole(row, objects))) for row in rows]
            case "deliveries":
                return rows, [of_delivery(one, words) for one in with_attempts(connection, rows)]
        return rows, [of_notification(of_row(Notification, row), words) for row in rows]

    return read
