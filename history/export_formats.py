"""The formats of exports: NDJSON for programs, CSV for spreadsheets.

CSV has a byte order mark, so that Excel reads Korean, and flat columns. Amounts are as they were written, and no cell
can be taken for a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import orjson

from history.export_fields import Fields
from schemas import wire
from schemas.times import YEAR_10000, rfc3339

COLUMNS: Mapping[str, Sequence[str]] = {
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


def ndjson(rows: Sequence[Fields]) -> bytes:
    """Rows as NDJSON."""
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


def csv_head(what: str) -> bytes:
    """The beginning of a CSV file: a byte order mark and the names of the columns."""
    return b"\xef\xbb\xbf" + _lines([COLUMNS[what]])


def csv_rows(what: str, rows: Sequence[Fields]) -> bytes:
    """Rows as CSV."""
    columns = COLUMNS[what]
    return _lines([[_cell(value) for value in _cells(row, columns)] for row in rows])


def _cells(row: Fields, columns: Sequence[str]) -> Sequence[Any]:
    flat = {**row, **row.get("_flat", {})}
    if "payment" in row:
        shown: Mapping[str, Any] = wire.loads(row["payment"])
        flat = {**shown, **{name: _time(shown.get(name)) for name in _TIMES}, **flat}
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


def _time(at: Any) -> str | None:
    """A time of i'mport's object, which is in UNIX seconds, 0 for none."""
    return rfc3339(at) if isinstance(at, int) and 0 < at < YEAR_10000 else None
