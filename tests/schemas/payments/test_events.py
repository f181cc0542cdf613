"""Events: stable ids, and the types and bodies of docs/events.md."""

from __future__ import annotations

from decimal import Decimal

import pytest

from schemas import wire
from schemas.payments.events import event_id, event_type, render, thin
from schemas.payments.facts import Fact, FactKind, Status
from tests.support.payments import T0, seen


def _body(cancelled: Decimal = Decimal(0), **shown: object) -> bytes:
    event = render(
        merchant="default",
        fact=Fact("paid", FactKind.PAID, T0),
        sequence=2,
        status=Status.PAID,
        previous=Status.ISSUED,
        cancelled_amount=cancelled,
        snapshot=seen(**shown),
        silent=False,
    )
    return event.body


def test_an_id_is_the_same_for_good() -> None:
    """Ids are promised to subscribers: this one must never change."""
    assert event_id("default", "imp_448280090638", "paid") == "evt_qvab5zd74jcmoe2v776b6tivu7scgtmo"


def test_an_id_belongs_to_one_fact_of_one_payment_of_one_merchant() -> None:
    """The same `imp_uid` at two merchants are two payments, and no two names run together."""
    names = [("a", "b", "paid"), ("b", "b", "paid"), ("a", "c", "paid"), ("a", "b", "failed"), ("ab", "", "paid")]
    assert len({event_id(*name) for name in names}) == len(names)


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        (Fact("k", FactKind.ISSUED, T0), "payment.virtual_account_issued"),
        (Fact("k", FactKind.EXPIRED, T0), "payment.virtual_account_expired"),
        (Fact("k", FactKind.DEPOSITED, T0), "payment.deposited"),
        (Fact("k", FactKind.PAID, T0), "payment.paid"),
        (Fact("k", FactKind.FAILED, T0), "payment.failed"),
        (Fact("k", FactKind.REQUESTED, T0), "payment.cancellation_pending"),
        (Fact("k", FactKind.CANCELLED, T0), "payment.partially_cancelled"),
        (Fact("k", FactKind.CANCELLED, T0, whole=True), "payment.cancelled"),
        (Fact("k", FactKind.REJECTED, T0), "payment.cancellation_rejected"),
        (Fact("k", FactKind.MISMATCH, T0), "payment.amount_mismatch"),
    ],
)
def test_each_kind_has_its_type(fact: Fact, expected: str) -> None:
    """As the table of events says."""
    assert event_type(fact) == expected


def test_a_body_has_the_documented_fields_and_no_others() -> None:
    """In the documented order, with i'mport's object as fetched."""
    callback = wire.loads(_body(status="paid", paid_at=T0, custom_data='{"a": 1}', newest_field=[None]))
    assert list(callback) == ["id", "type", "timestamp", "data"]
    assert callback["timestamp"] == "2023-11-14T22:13:20Z"
    data = callback["data"]
    assert data.pop("payment") == wire.loads(
        seen(status="paid", paid_at=T0, custom_data='{"a": 1}', newest_field=[None]).raw
    )
    assert data == {
        "merchant": "default",
        "imp_uid": "imp_448280090638",
        "merchant_uid": "order_1",
        "status": "paid",
        "previous_status": "virtual_account_issued",
        "sequence": 2,
        "amount": 1004,
        "cancelled_amount": 0,
        "currency": "KRW",
        "pay_method": "card",
        "pg_provider": "html5_inicis",
        "sandbox": False,
        "detail": {},
    }


@pytest.mark.parametrize("text", ["1004", "1004.00", "10.10", "0.01"])
def test_amounts_are_numbers_as_they_came(text: str) -> None:
    """Digit for digit; a sum is a plain number."""
    body = _body(Decimal("1E+3"), amount=Decimal(text))
    assert body.count(f'"amount":{text},'.encode()) == 2
    assert b'"cancelled_amount":1000,' in body
    assert b'"cancelled_amount":0.00000001,' in _body(Decimal("1E-8"))


def test_a_thin_body_has_everything_but_the_object() -> None:
    """The id stays, and so do the numbers."""
    body = _body(amount=Decimal("10.10"))
    slim, full = wire.loads(thin(body)), wire.loads(body)
    assert full["data"].pop("payment")
    assert slim == full
    assert b'"amount":10.10,' in thin(body)
