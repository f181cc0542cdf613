"""The first tables."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    insert,
    text,
)

from history import tables, views

revision = "0001"
down_revision = None
readable_from = "0001"
"""The oldest revision whose code works with these tables as well, so that one can go back to it after an upgrade."""

_OF_OTHER_TYPES = "type <> 'payment.paid'"
_UNUSUAL = "outcome <> 'applied' AND outcome <> 'unchanged'"
_WORDS = Text().with_variant(Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make everything."""
    _notification()
    _payment()
    _shared_object()
    _event()
    _delivery()
    _attempt()
    _endpoint()
    _merchant()
    _order_expectation()
    _replay()
    _reconciliation()
    _audit_entry()
    _recorder_place()
    _about()
    op.get_bind().execute(insert(tables.about).values(name="program", value="iamport-relay"))
    for statement in views.create(op.get_bind().dialect.name):
        op.execute(statement)


def _notification() -> None:
    op.create_table(
        "notification",
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
        _partial("ix_notification_unusual", "outcome", "received_at", where=_UNUSUAL),
    )


def _payment() -> None:
    op.create_table(
        "payment",
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
        Index(None, "first_at", "payer", "n"),
        Index(None, "merchant", "first_at"),
        Index(None, "merchant_uid", "first_at", postgresql_include=["n"]),
        _partial("ix_payment_unpaid", "status", "first_at", where="status <> 'paid'"),
        _partial("ix_payment_unsettled", "next_look_at", where="next_look_at IS NOT NULL"),
    )


def _shared_object() -> None:
    op.create_table(
        "shared_object",
        _word("merchant"),
        _word("imp_uid"),
        _number("revision"),
        _blob("object"),
        PrimaryKeyConstraint("imp_uid", "merchant", "revision"),
    )


def _event() -> None:
    op.create_table(
        "event",
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
        _partial("ix_event_of_other_types", "type", "recorded_at", where=_OF_OTHER_TYPES),
    )


def _delivery() -> None:
    op.create_table(
        "delivery",
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
        _partial("ix_delivery_of_other_types", "type", "created_at", where=_OF_OTHER_TYPES),
        _partial("ix_delivery_undelivered", "state", "created_at", where="state <> 'delivered'"),
    )


def _attempt() -> None:
    op.create_table(
        "attempt",
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
        PrimaryKeyConstraint("imp_uid", "event", "endpoint", "number", "at"),
        sqlite_with_rowid=False,
    )


def _endpoint() -> None:
    op.create_table(
        "endpoint",
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


def _merchant() -> None:
    op.create_table(
        "merchant",
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


def _order_expectation() -> None:
    op.create_table(
        "order_expectation",
        _word("merchant"),
        _word("merchant_uid"),
        _word("amount"),
        _word("currency", nullable=True),
        _number("changed_at"),
        _number("revision"),
        PrimaryKeyConstraint("merchant", "merchant_uid"),
    )


def _replay() -> None:
    op.create_table(
        "replay",
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


def _reconciliation() -> None:
    op.create_table(
        "reconciliation",
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


def _audit_entry() -> None:
    op.create_table(
        "audit_entry",
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


def _recorder_place() -> None:
    op.create_table(
        "recorder_place",
        _word("outbox"),
        _word("place"),
        PrimaryKeyConstraint("outbox"),
    )


def _about() -> None:
    op.create_table(
        "about",
        _word("name"),
        _word("value"),
        PrimaryKeyConstraint("name"),
    )


def _n() -> Column[int]:
    return Column("n", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True)


def _word(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, _WORDS, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _blob(name: str) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=False)


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def downgrade() -> None:
    """There is nothing before it."""
    raise NotImplementedError("history goes forward only: put a backup back")
