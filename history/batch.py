"""A batch of entries as rows of tables: one row for each thing, from the newest of its entries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from operator import itemgetter
from typing import Any

from sqlalchemy import Table

from history import tables
from schemas.outbox import entries
from schemas.outbox.codec import unpack_values
from schemas.outbox.entries import Entry

Row = tuple[Any, ...]
Packed = tuple[bytes, bytes]
"""An entry as the outbox holds it: its bytes, and the stamp that a script has added, if any."""

LONGEST = 400
"""Characters of a text in an index, at most: PostgreSQL refuses rows whose indexed texts are too long."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How entries of a kind become rows of a table, whose columns have the names of their fields.

    A row is found by its `key`. A later entry changes all columns but `fixed` if its revision is greater; a row without
    a revision never changes. `free` are texts from outside, which may hold anything; `indexed` are such texts that are
    in an index.
    """

    table: Table
    key: tuple[str, ...]
    fixed: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    indexed: tuple[str, ...] = ()


SHAPES: dict[type[Entry], Shape] = {
    entries.Notification: Shape(
        tables.notification,
        ("id",),
        fixed=(
            *("merchant", "imp_uid", "merchant_uid", "status", "cancellation_id", "source", "verified"),
            *("received_at", "extra"),
        ),
        free=("merchant_uid", "status", "cancellation_id", "source", "extra", "reason"),
    ),
    entries.Payment: Shape(
        tables.payment,
        ("imp_uid", "merchant"),
        fixed=("merchant_uid", "first_at", "erased_at"),
        free=("pay_method", "pg_provider", "currency"),
        indexed=("merchant_uid", "payer"),
    ),
    entries.SharedObject: Shape(tables.shared_object, ("imp_uid", "merchant", "revision")),
    entries.Event: Shape(tables.event, ("id",), free=("merchant_uid", "currency", "detail")),
    entries.Delivery: Shape(
        tables.delivery,
        ("imp_uid", "event", "endpoint"),
        fixed=("merchant", "type", "created_at"),
        free=("reason",),
    ),
    entries.Attempt: Shape(
        tables.attempt, ("imp_uid", "event", "endpoint", "number", "at"), free=("error", "response")
    ),
    entries.Endpoint: Shape(tables.endpoint, ("id",), fixed=("merchant", "created_at"), free=("description",)),
    entries.Merchant: Shape(tables.merchant, ("name",), fixed=("created_at",)),
    entries.Order: Shape(tables.order_expectation, ("merchant", "merchant_uid"), indexed=("merchant_uid",)),
    entries.Replay: Shape(tables.replay, ("id", "part"), fixed=("created_at",)),
    entries.Reconciliation: Shape(tables.reconciliation, ("id",), fixed=("merchant", "created_at")),
    entries.Audit: Shape(tables.audit_entry, ("id",), free=("detail",), indexed=("actor", "action", "object")),
}
"""Every kind of entry that becomes a row, in the order of writing."""


@dataclass(slots=True)
class Batch:
    """Rows to write, by kind, and buyers to erase."""

    rows: dict[type[Entry], list[Row]] = field(default_factory=dict)
    erasures: list[entries.Erasure] = field(default_factory=list)


def columns(kind: type[Entry]) -> tuple[str, ...]:
    """The columns of a kind's rows, in their order."""
    return tuple(one.name for one in fields(kind))


def gather(some: Iterable[Packed]) -> Batch:
    """The rows of some entries, packed. Raises `UnknownEntry`."""
    batch = Batch()
    kept: dict[type[Entry], dict[Any, Any]] = {kind: {} for kind in SHAPES}
    for packed, stamp in some:
        kind, row = unpack_values(packed, stamp)
        plan = _PLANS.get(kind)
        if plan is not None:
            plan.add(kept[kind], row)
        else:
            batch.erasures.append(entries.Erasure(*row))
    for kind, found in kept.items():
        if found:
            batch.rows[kind] = list(found.values())
    return batch


class _Plan:
    """Where the rows of a kind have their key, their revision and the texts that must be cleaned."""

    def __init__(self, kind: type[Entry], shape: Shape) -> None:
        names = columns(kind)
        self._key = itemgetter(*map(names.index, shape.key))
        is_changed = "revision" in names and "revision" not in shape.key
        self._revision = names.index("revision") if is_changed else None
        self._names = frozenset(shape.fixed)
        self._columns = tuple(enumerate(names))
        self._fixed = itemgetter(*map(names.index, shape.fixed or shape.key))
        self._texts = [(names.index(name), name in shape.indexed) for name in (*shape.free, *shape.indexed)]

    def add(self, rows: dict[Any, Any], row: Any) -> None:
        """Keep a row, unless there already is one of the same thing that is as new."""
        row = self._storable(row)
        key = self._key(row)
        before = rows.get(key)
        if before is not None and (self._revision is None or row[self._revision] <= before[self._revision]):
            return
        if before is not None and self._fixed(before) != self._fixed(row):
            row = tuple(before[place] if name in self._names else row[place] for place, name in self._columns)
        rows[key] = row

    def _storable(self, row: Any) -> Any:
        """The row with texts that a database can store. It is made before keys are compared: two may become equal."""
        for place, is_indexed in self._texts:
            text = row[place]
            if text and ("\0" in text or (is_indexed and len(text) > LONGEST)):
                row = (*row[:place], tables.clean(text[:LONGEST] if is_indexed else text), *row[place + 1 :])
        return row


_PLANS = {kind: _Plan(kind, shape) for kind, shape in SHAPES.items()}
