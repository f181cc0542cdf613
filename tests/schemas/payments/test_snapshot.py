"""i'mport's object is read tolerantly, and what cannot be read is refused by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import wire
from schemas.errors import MalformedPayment
from schemas.payments.decide import Record, decide
from schemas.payments.snapshot import Snapshot
from tests.support.payments import ACCOUNT, IMP_UID, OPEN_POLICY, T0, deposit, entry, payment, seen

scalars = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=True) | st.floats() | st.text(max_size=5)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
rows = st.lists(
    st.dictionaries(st.sampled_from([*entry(0, 0), *deposit(0, 0)]), values, max_size=6) | values, max_size=3
)
payments = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys((*payment(), *ACCOUNT, "vbank_date", "promotion"), values)
    | {"imp_uid": st.just("imp_1") | values, "cancel_history": rows | values, "deposit_history": rows | values},
)


@given(payments)
def test_any_object_is_a_snapshot_or_malformed(raw: dict[str, Any]) -> None:
    """Whatever the fields hold, nothing else comes out, and what was read is in range."""
    try:
        snapshot = Snapshot.parse(raw)
    except MalformedPayment:
        return
    assert 0 <= snapshot.cancel_amount < 10**15
    assert 0 <= snapshot.amount < 10**15
    assert Snapshot.parse(wire.loads(snapshot.raw)).imp_uid == snapshot.imp_uid


def test_half_an_emoji_costs_that_character_only() -> None:
    """A shop that cuts a name in the middle of an emoji is told of its payment all the same: JSON can spell the half,
    UTF-8 cannot, so U+FFFD stands for it, also in what an event says of it."""
    cut = deposit(1004, T0, "d1") | {"depositor_name": "Kim \ud83d"}
    fields = {"name": "Cake \ud83d", "custom_data": {"\udf82": ["\ud83c\udf82"]}, "deposit_history": [cut]}
    snapshot = Snapshot.parse(payment(status="paid", paid_at=T0, **fields))
    told = wire.loads(snapshot.raw)
    assert told["name"] == "Cake \ufffd"
    assert told["custom_data"] == {"\ufffd": ["\N{BIRTHDAY CAKE}"]}
    assert snapshot.deposits[0].depositor == "Kim \ufffd"
    assert [event.type for event in decide(Record("default", IMP_UID), snapshot, T0, OPEN_POLICY).events] == [
        "payment.paid"
    ]


def test_what_nests_too_deeply_to_be_passed_on_is_malformed() -> None:
    """One strange payment must not cost the others of its batch."""
    nested: list[Any] = []
    for _ in range(900):
        nested = [nested]
    with pytest.raises(MalformedPayment):
        Snapshot.parse(payment(custom_data=nested))


def test_only_the_required_fields_are_needed() -> None:
    """Everything else may be absent."""
    raw = {
        "imp_uid": "imp_1",
        "merchant_uid": "order",
        "amount": 1004,
        "cancel_amount": 0,
        "currency": "KRW",
        "status": "paid",
        "sandbox": True,
    }
    snapshot = Snapshot.parse(raw)
    assert (snapshot.amount, snapshot.paid_at) == (Decimal(1004), 0)
    assert not snapshot.deposits
    assert not snapshot.cancellations
    assert snapshot.sandbox
    assert snapshot.pay_method is None


def test_null_is_as_good_as_absent() -> None:
    """A payment whose optional fields are all null reads like one without them."""
    optional = set(payment()) - {"imp_uid", "merchant_uid", "amount", "cancel_amount", "currency", "status", "sandbox"}
    with_nulls = payment() | dict.fromkeys((*optional, *ACCOUNT, "promotion", "vbank_date"))
    without = {name: value for name, value in payment().items() if name not in optional}
    assert Snapshot.parse(with_nulls) == Snapshot.parse(without)


@pytest.mark.parametrize("imp_uid", [None, "", "x" * 33, "imp 1", "imp/1", "결제", ["imp_1"], True, "imp_1\n"])
def test_a_payment_without_a_usable_name_is_malformed(imp_uid: Any) -> None:
    """Nothing can be believed of a payment that cannot be named."""
    with pytest.raises(MalformedPayment) as error:
        Snapshot.parse(payment(imp_uid=imp_uid))
    assert error.value.imp_uid is None


@pytest.mark.parametrize(
    "amount", ["a lot", "1,004", -1, Decimal("-0.01"), Decimal(10) ** 15, True, [], Decimal("1E-9")]
)
@pytest.mark.parametrize("name", ["amount", "cancel_amount", "promotion", "cancel_history", "deposit_history"])
def test_an_amount_that_cannot_be_read_is_malformed(name: str, amount: Any) -> None:
    """Money is never guessed, wherever it stands; the error names the payment."""
    value = {
        "promotion": {"id": "p", "discount": amount},
        "cancel_history": [entry(amount, T0)],
        "deposit_history": [deposit(amount, T0)],
    }.get(name, amount)
    with pytest.raises(MalformedPayment) as error:
        Snapshot.parse(payment(**{name: value}))
    assert error.value.imp_uid == payment()["imp_uid"]


@pytest.mark.parametrize("text", ["1004", "1004.00", "10.10", "0.01", "1E+3", "0", "100000000000000.12345678"])
def test_numbers_stay_as_they_were_written(text: str) -> None:
    """The object is passed on digit for digit, and compared as a decimal."""
    raw = wire.loads(f'{{"imp_uid":"imp_1","amount":{text},"cancel_history":[{{"amount":{text}}}]}}')
    snapshot = Snapshot.parse(raw)
    assert snapshot.amount == snapshot.cancellations[0].amount == Decimal(text)
    assert f'"amount":{text}'.encode() in snapshot.raw


@pytest.mark.parametrize("value", [None, "soon", -1, True, 10**13, [], {}])
def test_a_time_that_cannot_be_read_has_not_come(value: Any) -> None:
    """Odd times are 0: not yet, or unknown."""
    snapshot = seen(paid_at=value, failed_at=value, **ACCOUNT, vbank_date=value)
    assert (snapshot.paid_at, snapshot.failed_at) == (0, 0)
    assert snapshot.virtual_account is not None
    assert snapshot.virtual_account.deadline == 0


def test_a_virtual_account_needs_the_pay_method_and_a_number() -> None:
    """A number without `vbank`, or `vbank` without a number, is none; the holder can be null."""
    assert seen(**ACCOUNT | {"pay_method": "card"}).virtual_account is None
    assert seen(**ACCOUNT | {"vbank_num": ""}).virtual_account is None
    account = seen(**ACCOUNT | {"vbank_holder": None}, vbank_date=T0).virtual_account
    assert account is not None
    assert (account.number, account.holder, account.deadline) == ("110-1", None, T0)


def test_rows_of_a_history_that_are_no_objects_are_left_out() -> None:
    """What is no entry cannot be counted as one."""
    snapshot = seen(cancel_history=[None, "x", entry(5, T0)], deposit_history={"amount": 5})
    assert len(snapshot.cancellations) == 1
    assert snapshot.deposits == ()


def test_a_snapshot_shows_no_buyers_data_in_its_repr() -> None:
    """What is logged by accident has no names, addresses or card numbers, nor have facts, records and events."""
    rows = [deposit(5, T0, "d1"), deposit(7, T0 + 1, "d2")]
    account = {**ACCOUNT, "vbank_holder": "Hong Gildong"}
    fields = {"buyer_name": "Hong Gildong", "card_number": "1234567890", "status": "paid", "deposit_history": rows}
    snapshot = seen(**account, **fields)
    change = decide(Record("default", IMP_UID), snapshot, T0, OPEN_POLICY)
    assert change.events
    for name in ("Gildong", "1234567890", "Kim"):
        assert name not in repr(snapshot) + repr(change)
