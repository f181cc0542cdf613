"""What one look proves, in which order, with which times and details."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from schemas.payments.derive_facts import new_facts
from schemas.payments.facts import ExpectedAmount, Fact, FactKind, Status, plain, status
from tests.support.payments import ACCOUNT, T0, cancelled, deposit, entry, found, keys, seen
from tests.support.play import Play


@pytest.mark.parametrize(
    ("kinds", "requests", "expected"),
    [
        ((), (), Status.READY),
        ((FactKind.ISSUED,), (), Status.ISSUED),
        ((FactKind.ISSUED, FactKind.EXPIRED), (), Status.EXPIRED),
        ((FactKind.ISSUED, FactKind.EXPIRED, FactKind.FAILED), (), Status.FAILED),
        ((FactKind.FAILED, FactKind.PAID), (), Status.PAID),
        ((FactKind.PAID, FactKind.DEPOSITED, FactKind.MISMATCH), (), Status.PAID),
        ((FactKind.PAID, FactKind.CANCELLED), (), Status.PARTIALLY_CANCELLED),
        ((FactKind.PAID, FactKind.CANCELLED), ("r",), Status.PENDING),
        ((FactKind.PAID, FactKind.REQUESTED, FactKind.REJECTED), (), Status.PAID),
    ],
)
def test_the_first_status_that_holds(kinds: tuple[FactKind, ...], requests: tuple[str, ...], expected: Status) -> None:
    """An open request goes before cancelled, then partially, paid, failed, expired, issued and ready."""
    named = {FactKind.ISSUED: "vbank_issued:1", FactKind.EXPIRED: "vbank_expired:1"}
    facts = [Fact(named.get(kind, kind), kind, T0) for kind in kinds]
    assert status(facts, requests) is expected


def test_a_new_number_waits_again() -> None:
    """An expired account does not make the next one expired."""
    facts = [
        Fact("vbank_issued:1", FactKind.ISSUED, 1),
        Fact("vbank_expired:1", FactKind.EXPIRED, 2),
        Fact("vbank_issued:2", FactKind.ISSUED, 3),
    ]
    assert status(facts) is Status.ISSUED


def test_facts_of_one_look_go_by_time() -> None:
    """Issued, failed, paid, cancelled, as it happened, each with its own time."""
    rows = [entry(400, T0 + 50, "c2"), entry(300, T0 + 40, "c1")]
    shown = cancelled(*rows, **ACCOUNT, vbank_issued_at=T0 + 1, failed_at=T0 + 2, paid_at=T0 + 30)
    facts = found(seen(**shown))
    assert keys(facts) == ["vbank_issued:110-1", "failed", "paid", "cancelled:c1", "cancelled:c2"]
    assert [fact.at - T0 for fact in facts] == [1, 2, 30, 40, 50]


def test_money_comes_before_it_goes_back() -> None:
    """A gateway's clock that is ahead does not put the approval behind the cancellation."""
    facts = found(seen(**cancelled(entry(300, T0 - 5, "c1"))))
    assert keys(facts) == ["paid", "cancelled:c1"]
    assert facts[0].at == T0 - 5


def test_an_account_is_issued_before_it_expires() -> None:
    """Where i'mport does not say when it was issued, that was not after its deadline."""
    facts = found(seen(**ACCOUNT, vbank_date=T0 + 60), T0 + 5000)
    assert keys(facts) == ["vbank_issued:110-1", "vbank_expired:110-1"]
    assert status(facts) is Status.EXPIRED


@pytest.mark.parametrize(("now", "expired"), [(T0 + 59, False), (T0 + 659, False), (T0 + 660, True)])
def test_an_account_expires_after_its_grace(now: int, expired: bool) -> None:
    """Not at the deadline, but when the grace of 600 s is over, too."""
    assert ("vbank_expired:110-1" in keys(found(seen(**ACCOUNT, vbank_date=T0 + 60), now))) is expired


@pytest.mark.parametrize("shown", [{"status": "pending"}, {"status": "failed"}, {"status": "paid"}, {"vbank_date": 0}])
def test_only_a_look_that_still_says_ready_expires(shown: dict[str, Any]) -> None:
    """Another status, or no deadline, is no expiry."""
    fields = {**ACCOUNT, "vbank_date": T0 + 60} | shown
    assert "vbank_expired:110-1" not in keys(found(seen(**fields), T0 + 5000))


def test_paid_stands_for_the_first_deposit() -> None:
    """The others are deposits of their own, in any order of the list."""
    rows = [deposit(3000, T0 + 20, "d2"), deposit(5000, T0 + 10, "d1"), deposit(5000, T0 + 30, None)]
    facts = found(seen(**ACCOUNT, amount=0, status="paid", paid_at=T0 + 30, deposit_history=rows))
    assert keys(facts)[1:] == ["paid", "deposited:d2", f"deposited:{T0 + 30}:5000"]
    assert facts[1].entry == "deposited:d1"
    assert facts[1].at == T0 + 10


def test_a_further_deposit_never_comes_before_paid() -> None:
    """Not even one of the same second, or one that a gateway's clock puts before the approval."""
    rows = [deposit(5000, T0 + 10, "d1"), deposit(3000, T0 + 10, "d2")]
    facts = found(seen(**ACCOUNT, amount=0, status="paid", paid_at=T0 + 30, deposit_history=rows))
    assert keys(facts)[1:] == ["paid", "deposited:d2"]


def test_equal_deposits_without_an_id_have_different_keys() -> None:
    """Same second, same amount, no `pg_tid`: which of equals."""
    rows = [deposit(5, T0), deposit(5, T0), deposit(Decimal("5.00"), T0)]
    facts = found(seen(**ACCOUNT, amount=0, status="paid", paid_at=T0, deposit_history=rows))
    assert {f"deposited:{T0}:5#2", f"deposited:{T0}:5#3"} < set(keys(facts))


def test_a_deposits_detail_has_what_is_documented() -> None:
    """Number as it came, time in RFC 3339."""
    rows = [deposit(5, T0, "d1"), deposit(Decimal("7.50"), T0 + 1, "d2")]
    last = found(seen(**ACCOUNT, amount=0, status="paid", paid_at=T0, deposit_history=rows))[-1]
    detail = {"id": "d2", "amount": Decimal("7.50"), "depositor": "Kim", "deposited_at": "2023-11-14T22:13:21Z"}
    assert last.detail == {"deposit": detail}


def test_a_failures_detail_has_reason_and_time() -> None:
    """As i'mport says them."""
    (fact,) = found(seen(status="failed", failed_at=T0, fail_reason="[PAYMENTWALL] Internal error"))
    reason = {"reason": "[PAYMENTWALL] Internal error", "failed_at": "2023-11-14T22:13:20Z"}
    assert fact.detail == {"failure": reason}


def test_an_accounts_detail_has_what_is_documented() -> None:
    """A deadline of 0 is none."""
    (fact,) = found(seen(**ACCOUNT, vbank_date=0))
    assert fact.detail["virtual_account"] == {
        "bank_code": "004",
        "bank_name": "KB",
        "number": "110-1",
        "holder": "Kim",
        "deadline": None,
    }


def test_a_mismatch_comes_directly_after_the_payment() -> None:
    """Beside `paid`, never instead of it, before what came later."""
    shown = seen(**cancelled(entry(1000, T0, "c1"), status="cancelled"))
    facts = new_facts({}, shown, T0, expected=ExpectedAmount(Decimal(1004), "KRW"))
    assert keys(facts) == ["paid", "amount_mismatch:1004:KRW", "cancelled:c1"]
    assert facts[1].detail == {"expected": {"amount": Decimal(1004), "currency": "KRW"}}


@pytest.mark.parametrize(
    ("shown", "expected", "told"),
    [
        ({"amount": 1004}, ExpectedAmount(Decimal("1004.00")), False),
        ({"amount": Decimal("1004.00")}, ExpectedAmount(Decimal(1004), "KRW"), False),
        ({"amount": 1004, "currency": "USD"}, ExpectedAmount(Decimal(1004)), False),
        ({"amount": 1004, "currency": "USD"}, ExpectedAmount(Decimal(1004), "KRW"), True),
        ({"amount": 900}, ExpectedAmount(Decimal(1004)), True),
        ({"amount": 900, "status": "failed", "paid_at": 0}, ExpectedAmount(Decimal(1004)), False),
        ({"amount": 0, **ACCOUNT}, ExpectedAmount(Decimal(1004)), False),
        ({"amount": 0}, ExpectedAmount(Decimal(1004)), True),
    ],
)
def test_what_counts_as_a_mismatch(shown: dict[str, Any], expected: ExpectedAmount, told: bool) -> None:
    """Amounts as decimals, currency only when one is expected, not for failed payments or unlimited accounts."""
    snapshot = seen(**{"status": "paid", "paid_at": T0} | shown)
    facts = new_facts({}, snapshot, T0, expected=expected)
    assert any(fact.kind is FactKind.MISMATCH for fact in facts) is told


def test_a_stale_amount_is_no_mismatch() -> None:
    """An account's amount was changed before it was paid; an older answer must not be compared."""
    play = Play(amount=900).issue().show(amount=1004).pay().expect(1004)
    play.look(amount=900, status="ready", paid_at=0)
    assert play.types == ["payment.virtual_account_issued", "payment.paid"]


@pytest.mark.parametrize(("amount", "text"), [("1004.00", "1004"), ("10.50", "10.5"), ("1E+3", "1000"), ("0.00", "0")])
def test_equal_amounts_have_one_text(amount: str, text: str) -> None:
    """Keys do not depend on how a number was written."""
    assert plain(Decimal(amount)) == text
