"""What a merchant expects for an order, as a field of `orders:m` has it: JSON."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from schemas import wire
from schemas.outbox.entries import Order
from schemas.payments.facts import ExpectedAmount


def dump(expected: ExpectedAmount) -> bytes:
    """The row of an expectation."""
    return wire.dumps({"amount": f"{expected.amount:f}", "currency": expected.currency})


def load(row: bytes) -> ExpectedAmount:
    """The expectation in a row."""
    fields = wire.loads(row)
    return ExpectedAmount(Decimal(fields["amount"]), fields.get("currency"))


def of_entry(entry: Order) -> bytes:
    """The row of an expectation that history has. Raises `ValueError` for a damaged one."""
    try:
        return dump(ExpectedAmount(Decimal(entry.amount), entry.currency))
    except InvalidOperation:
        raise ValueError(f"no amount: {entry.amount[:40]!r}") from None


def to_entry(merchant: str, merchant_uid: str, row: bytes, changed_at: int = 0, revision: int = 0) -> Order:
    """The entry for history of the expectation in a row; `changed_at` in ms."""
    expected = load(row)
    return Order(merchant, merchant_uid, f"{expected.amount:f}", expected.currency, changed_at, revision)
