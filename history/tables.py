"""Every table of history, and the lists that its indexes serve. Views for people are in `history.views`.

Times are in ms. Amounts and JSON are text, as they were written. `object`, `body`, `snapshot` and `record` are stored
by `schemas.compression`. `n` grows with each row, and orders rows of the same millisecond. Columns have the names and
the order of the fields in `schemas.outbox.entries`.

Indexes find the rows of a payment by its imp_uid first. i'mport numbers payments by time, so rows that are written
together lie together in the index. An event's id is a hash, which would scatter them.

An index serves a list by its first columns; a list with more filters reads along the index and leaves rows out. If most
rows have the same value, a partial index holds only the others: writing an index entry for nearly every row would cost
more than leaving out a few rows of a list.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    FromClause,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)


def clean(text: str) -> str:
    """A text without NUL, which PostgreSQL cannot store."""
    return text.replace("\0", "\ufffd")


class _Words(TypeDecorator[str]):
    """Text that both databases compare byte by byte, so that keys and prefixes sort alike. Values in queries are
    cleaned as stored ones are."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  # SQLAlchemy's
        """A value, as `history.batch` would store it."""
        return None if value is None else clean(value)


Words: TypeEngine[str] = _Words().with_variant(_Words(collation="C"), "postgresql")
Number: TypeEngine[int] = BigInteger()

UNDELIVERED = "state <> 'delivered'"
UNUSUAL = "outcome <> 'applied' AND outcome <> 'unchanged'"
UNSETTLED = "next_look_at IS NOT NULL"
UNPAID = "status <> 'paid'"
OF_OTHER_TYPES = "type <> 'payment.paid'"


def _n() -> Column[int]:
    return Column("n", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)


def _word(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Words, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, Number, nullable=nullable)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _blob(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


notification = Table(
    "notification",
    metadata,
    _n(),
    _word("id"),
    _word("merchant"),
    _word("imp_uid"),
    _word("merchant_uid", nullable=True),
    _word("status", nullable=True),
    _word("cancellation_id", nullable=True),
    _word("source", nullable=True),
    _flag("verified"),
    _number("received_at"),
    _word("extra"),
    _word("outcome"),
    _word("reason", nullable=True),
    _number("revision"),
    UniqueConstraint("id"),
    Index(None, "received_at"),
    Index(None, "merchant", "received_at"),
    Index(None, "imp_uid", "received_at"),
    _partial("ix_notification_unusual", "outcome", "received_at", where=UNUSUAL),
)

payment = Table(
    "payment",
    metadata,
    _n(),
    _word("merchant"),
    _word("imp_uid"),
    _number("revision"),
    _word("merchant_uid"),
    _word("status"),
    _word("pay_method", nullable=True),
    _word("pg_provider", nullable=True),
    _number("sequence"),
    _word("amount"),
    _word("cancelled_amount"),
    _word("currency"),
    _number("first_at"),
    _number("changed_at"),
    _number("fetched_at", nullable=True),
    _number("next_look_at", nullable=True),
    _flag("silent"),
    _flag("hidden"),
    _word("contradicts"),
    _word("payer"),
    _blob("snapshot"),
    _blob("record"),
    _number("erased_at", nullable=True),
    UniqueConstraint("imp_uid", "merchant"),
    # What buyers typed is in the index of the list, so that a search for it reads no rows.
    Index(None, "first_at", "payer", "n"),
    Index(None, "merchant", "first_at"),
    Index(None, "merchant_uid", "first_at", postgresql_include=["n"]),
    _partial("ix_payment_unpaid", "status", "first_at", where=UNPAID),
    _partial("ix_payment_unsettled", "next_look_at", where=UNSETTLED),
)

shared_object = Table(
    "shared_object",
    metadata,
    _word("merchant"),
    _word("imp_uid"),
    _number("revision"),
    _blob("object"),
    PrimaryKeyConstraint("imp_uid", "merchant", "revision"),
)

event = Table(
    "event",
    metadata,
    _n(),
    _word("id"),
    _word("merchant"),
    _word("imp_uid"),
    _word("type"),
    _number("sequence"),
    _number("recorded_at"),
    _flag("silent"),
    _flag("sandbox"),
    _word("about", nullable=True),
    _number("happened_at", nullable=True),
    _word("merchant_uid"),
    _word("status", nullable=True),
    _word("amount", nullable=True),
    _word("cancelled_amount", nullable=True),
    _word("currency", nullable=True),
    _word("detail"),
    _number("object_revision", nullable=True),
    _blob("body"),
    UniqueConstraint("id"),
    Index(None, "recorded_at"),
    Index(None, "merchant", "recorded_at"),
    Index(None, "imp_uid", "recorded_at"),
    _partial("ix_event_of_other_types", "type", "recorded_at", where=OF_OTHER_TYPES),
)

delivery = Table(
    "delivery",
    metadata,
    _n(),
    _word("event"),
    _word("endpoint"),
    _word("merchant"),
    _word("imp_uid"),
    _word("type"),
    _number("sequence"),
    _word("state"),
    _number("created_at"),
    _number("changed_at"),
    _number("next_attempt_at", nullable=True),
    _word("reason", nullable=True),
    _number("attempts"),
    _word("replay", nullable=True),
    _number("revision"),
    UniqueConstraint("imp_uid", "event", "endpoint"),
    Index(None, "created_at"),
    Index(None, "endpoint", "created_at"),
    Index(None, "merchant", "created_at"),
    _partial("ix_delivery_of_other_types", "type", "created_at", where=OF_OTHER_TYPES),
    _partial("ix_delivery_undelivered", "state", "created_at", where=UNDELIVERED),
)

attempt = Table(
    "attempt",
    metadata,
    _word("imp_uid"),
    _word("event"),
    _word("endpoint"),
    _number("number"),
    _number("at"),
    _number("status_code", nullable=True),
    _number("duration_ms"),
    _word("error", nullable=True),
    _word("response"),
    _flag("replay"),
    # A Redis that came back with an old copy counts on from there, so two attempts may have the same number.
    PrimaryKeyConstraint("imp_uid", "event", "endpoint", "number", "at"),
    sqlite_with_rowid=False,
)

endpoint = Table(
    "endpoint",
    metadata,
    _n(),
    _word("id"),
    _word("merchant"),
    _word("state"),
    _number("created_at"),
    _number("changed_at"),
    _word("description"),
    _blob("row"),
    _number("revision"),
    UniqueConstraint("id"),
    Index(None, "created_at"),
    Index(None, "merchant", "created_at"),
)

merchant = Table(
    "merchant",
    metadata,
    _n(),
    _word("name"),
    _number("created_at"),
    _number("changed_at"),
    _number("deleted_at", nullable=True),
    _blob("row"),
    _number("revision"),
    UniqueConstraint("name"),
    Index(None, "created_at"),
)

order_expectation = Table(
    "order_expectation",
    metadata,
    _word("merchant"),
    _word("merchant_uid"),
    _word("amount"),
    _word("currency", nullable=True),
    _number("changed_at"),
    _number("revision"),
    PrimaryKeyConstraint("merchant", "merchant_uid"),
)

replay = Table(
    "replay",
    metadata,
    _n(),
    _word("id"),
    _word("state"),
    _number("created_at"),
    _number("changed_at"),
    _blob("row"),
    _number("revision"),
    _number("part"),
    UniqueConstraint("id", "part"),
    Index(None, "created_at"),
)

reconciliation = Table(
    "reconciliation",
    metadata,
    _n(),
    _word("id"),
    _word("merchant"),
    _word("state"),
    _number("created_at"),
    _number("changed_at"),
    _blob("row"),
    _number("revision"),
    UniqueConstraint("id"),
    Index(None, "created_at"),
    Index(None, "merchant", "created_at"),
)

audit_entry = Table(
    "audit_entry",
    metadata,
    _n(),
    _word("id"),
    _number("at"),
    _word("actor"),
    _word("action"),
    _word("object"),
    _word("detail"),
    UniqueConstraint("id"),
    Index(None, "at"),
    Index(None, "actor", "at"),
    Index(None, "action", "at"),
    Index(None, "object", "at"),
)

place = Table(
    "recorder_place",
    metadata,
    _word("outbox"),
    _word("place"),
    PrimaryKeyConstraint("outbox"),
)
"""How far each outbox was recorded: the id of its last entry."""

about = Table(
    "about",
    metadata,
    _word("name"),
    _word("value"),
    PrimaryKeyConstraint("name"),
)
"""Which program's database this is (`program`), and which ledger's history (`ledger`)."""


def belongs(table: FromClause, imp_uid: Any, merchant: Any) -> ColumnElement[bool]:
    """Whether a row belongs to a payment; it is found by its imp_uid."""
    return and_(table.c.imp_uid == imp_uid, is_of(table, merchant))


def is_of(table: FromClause, merchant: Any) -> ColumnElement[bool]:
    """Whether a row is a merchant's, without an index: another condition finds the row. With an index SQLite would
    choose to look through all rows of the merchant."""
    mine: ColumnElement[bool] = table.c.merchant.concat("") == merchant
    return mine
