"""Exports: every row of a list, oldest first, with the memory of one step.

Rows are read in steps along an index, so an export of any length holds no transaction open. CSV is for spreadsheets: it
has a byte order mark, so that Excel reads Korean, and flat columns. Amounts are as they were written, and no cell can
be taken for a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, get_args

import orjson
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.engine import Connection

from history import deliveries, events, notifications, payments
from history.connection import Database, Use
from history.deliveries import with_attempts
from history.pages import AnyRow, Listing, PageRequest, between, of_row, oldest, place
from schemas import wire
from schemas.compression import decompress
from schemas.errors import Invalid
from schemas.outbox.entries import Event, Notification, Payment
from schemas.reasons import Reason
from schemas.times import YEAR_10000, rfc3339

What = Literal["payments", "events", "deliveries", "notifications"]
Format = Literal["ndjson", "csv"]
Words = Callable[[str], str]
Shown = Callable[[Event], Event]
Fields = dict[str, Any]

STEP = 200
"""Rows that are read at once."""

_LISTINGS: Mapping[str, Listing] = {
    "payments": payments.LISTING,
    "events": events.LISTING,
    "deliveries": deliveries.LISTING,
    "notifications": notifications.LISTING,
}
_CSV: Mapping[str, Sequence[str]] = {
    "payments": (
        "merchant", "imp_uid", "merchant_uid", "status", "pay_method", "pg_provider", "amount", "cancelled_amount",
        "currency", "sequence", "recorded_at", "changed_at", "name", "buyer_name", "paid_at", "failed_at",
        "cancelled_at", "fail_reason", "cancel_reason", "card_name", "apply_num", "vbank_name", "receipt_url",
        "erased_at",
    ),
    "events": (
        "id", "type", "merchant", "imp_uid", "merchant_uid", "sequence", "status", "amount", "cancelled_amount",
        "currency", "timestamp", "recorded_at", "silent", "detail",
    ),
    "deliveries": (
        "id", "event", "endpoint", "merchant", "imp_uid", "type", "state", "attempts", "created_at", "changed_at",
        "next_attempt_at", "last_status_code", "last_duration_ms", "reason",
    ),
    "notifications": (
        "id", "merchant", "imp_uid", "merchant_uid", "status", "cancellation_id", "source", "received_at", "outcome",
        "reason", "extra",
    ),
}  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that a formula may begin with, also in full width, which East Asian spreadsheets read alike."""
_TIMES = ("paid_at", "failed_at", "cancelled_at")


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
        write = _csv(what) if format_ == "csv" else _ndjson
        if format_ == "csv":
            yield b"\xef\xbb\xbf" + _lines([_CSV[what]])
        after, more = None, True
        while more:
            step = oldest(listing.table, listing.at, after, STEP).where(*window)
            rows, fields = await self._database.read(_read(what, step, words, shown))
            if rows:
                after = place(rows[-1], listing.at)
                yield write(fields)
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
                return rows, [_payment(of_row(Payment, row)) for row in rows]
            case "events":
                objects = events.shared_objects(connection, rows)
                return rows, [_event(shown(events.whole(row, objects))) for row in rows]
            case "deliveries":
                return rows, [_delivery(one, words) for one in with_attempts(connection, rows)]
        return rows, [_notification(of_row(Notification, row), words) for row in rows]

    return read


def _payment(payment: Payment) -> Fields:
    return {
        "merchant": payment.merchant,
        "imp_uid": payment.imp_uid,
        "merchant_uid": payment.merchant_uid,
        "status": payment.status,
        "pay_method": payment.pay_method,
        "pg_provider": payment.pg_provider,
        "sequence": payment.sequence,
        "amount": Decimal(payment.amount),
        "cancelled_amount": Decimal(payment.cancelled_amount),
        "currency": payment.currency,
        "recorded_at": _time(payment.first_at),
        "changed_at": _time(payment.changed_at),
        "fetched_at": _time(payment.fetched_at),
        "erased_at": _time(payment.erased_at),
        "payment": decompress(payment.snapshot) or b"{}",
    }


def _event(event: Event) -> Fields:
    return {
        "_flat": {
            "merchant": event.merchant,
            "imp_uid": event.imp_uid,
            "merchant_uid": event.merchant_uid,
            "sequence": event.sequence,
            "status": event.status,
            "amount": event.amount,
            "cancelled_amount": event.cancelled_amount,
            "currency": event.currency,
            "timestamp": _time(event.happened_at),
            "detail": event.detail,
        },
        "id": event.id,
        "type": event.type,
        "recorded_at": _time(event.recorded_at),
        "silent": event.silent,
        "_body": event.body,
    }


def _delivery(one: deliveries.RecordedDelivery, words: Words) -> Fields:
    delivery = one.delivery
    last = one.attempts[-1] if one.attempts else None
    return {
        "_flat": {
            "attempts": delivery.attempts,
            "last_status_code": last and last.status_code,
            "last_duration_ms": last and last.duration_ms,
        },
        "id": delivery.id,
        "event": delivery.event,
        "endpoint": delivery.endpoint,
        "merchant": delivery.merchant,
        "imp_uid": delivery.imp_uid,
        "type": delivery.type,
        "state": delivery.state,
        "created_at": _time(delivery.created_at),
        "changed_at": _time(delivery.changed_at),
        "next_attempt_at": _time(delivery.next_attempt_at),
        "reason": _worded(delivery.reason, words),
        "attempts": [
            {
                "at": _time(attempt.at),
                "status_code": attempt.status_code,
                "duration_ms": attempt.duration_ms,
                "error": _worded(attempt.error, words),
                "response": attempt.response,
                "replay": attempt.replay,
            }
            for attempt in one.attempts
        ],
    }


def _notification(notification: Notification, words: Words) -> Fields:
    return {
        "id": notification.id,
        "merchant": notification.merchant,
        "imp_uid": notification.imp_uid,
        "merchant_uid": notification.merchant_uid,
        "status": notification.status,
        "cancellation_id": notification.cancellation_id,
        "source": notification.source,
        "received_at": _time(notification.received_at),
        "outcome": notification.outcome,
        "reason": _worded(notification.reason, words),
        "extra": (notification.extra or "{}").encode(),
    }


def _ndjson(rows: Sequence[Fields]) -> bytes:
    return b"".join(_line(row) + b"\n" for row in rows)


def _line(row: Fields) -> bytes:
    body: bytes | None = row.get("_body")
    if body is not None:
        # The callback's body, with two recorded fields that it lacks.
        beside = orjson.dumps({"recorded_at": row["recorded_at"], "silent": row["silent"]})
        return body.removesuffix(b"}") + b"," + beside.removeprefix(b"{")
    return wire.dumps({name: _json(value) for name, value in row.items() if name != "_flat"})


def _json(value: Any) -> Any:
    """A value in JSON; bytes are JSON already."""
    return orjson.Fragment(value) if isinstance(value, bytes) else value


def _csv(what: What) -> Callable[[Sequence[Fields]], bytes]:
    columns = _CSV[what]

    def write(rows: Sequence[Fields]) -> bytes:
        return _lines([[_cell(value) for value in _cells(row, columns)] for row in rows])

    return write


def _cells(row: Fields, columns: Sequence[str]) -> Sequence[Any]:
    flat = {**row, **row.get("_flat", {})}
    if "payment" in row:
        shown: Mapping[str, Any] = wire.loads(row["payment"])
        flat = {**shown, **{name: _time(_seconds(shown.get(name))) for name in _TIMES}, **flat}
    return [flat.get(name) for name in columns]


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    """A value as text for a spreadsheet; an apostrophe keeps the spreadsheet from taking it for a formula."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return f"{value:f}"
        case bytes():
            value = value.decode()
    text = str(value).replace("\0", "\ufffd")
    return f"'{text}" if text.startswith(_FORMULA) else text


def _worded(reason: str | None, words: Words) -> str | None:
    return words(reason) if reason else None


def _time(at: int | None) -> str | None:
    return rfc3339(at / 1000) if at else None


def _seconds(value: Any) -> int | None:
    return value * 1000 if isinstance(value, int) and 0 < value < YEAR_10000 else None
