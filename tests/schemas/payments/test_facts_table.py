"""Every row of `docs/facts.md`, played as looks."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from schemas.payments.escrow import EscrowChange
from tests.support.facts_table import TableRow, other_cases, scenarios
from tests.support.payments import T0, entry
from tests.support.play import DAY, Play


def _step(play: Play, *amounts: int | Decimal) -> Play:
    for place, amount in enumerate(amounts):
        play.take_back(amount, f"c{place}").look()
    return play


def _late_account(play: Play) -> Play:
    return play.issue(deadline=T0 + 600).later(1200).look()


def _fixed(play: Play, *names: str) -> Play:
    play.issue(deadline=0, amount=0)
    for name in names:
        play.deposit(5000, name).look()
    return play


def _pending(play: Play) -> Play:
    return play.pay(pg_provider="paymentwall").later().ask(1004).later(1).look()


def _claimed(play: Play) -> Play:
    return play.pay().later().look("c1").later(3).look()


def _change(code: str, seconds: int = 90) -> EscrowChange:
    return EscrowChange(code, T0 + seconds, None)


def _refused(play: Play) -> Play:
    for place, code in enumerate(("2", "4", "10")):
        play.tell(_change(code, 90 + place)).look()
    return play


def _again(play: Play) -> Play:
    """Two look-ups that agree, a minute apart."""
    return play.later().look().later(61).look()


def _taken_back(play: Play) -> Play:
    return _again(play.show(status="paid", cancel_amount=0, cancel_history=[], cancelled_at=0))


def _part(play: Play, **fields: Any) -> Play:
    return play.pay().take_back(300, **fields)


SCENARIOS: dict[str, Callable[[], Play]] = {
    "card": lambda: Play().pay(),
    "scheduled": lambda: Play(channel="api", customer_uid="customer_1").pay(),
    "failed": lambda: Play().later().look(status="failed", failed_at=T0 + 60, fail_reason="limit"),
    "duplicate": lambda: Play().pay().look().look().later().look(),
    "lost-webhook": lambda: Play().show(status="paid", paid_at=T0).later(DAY).look(),
    "missed-webhooks": lambda: Play().show(status="paid", paid_at=T0).take_back(1004).look(),
    "out-of-order": lambda: Play().issue().pay().look(status="ready", paid_at=0),
    "virtual-account": lambda: Play().issue().pay(),
    "virtual-account-expired": lambda: _late_account(Play()),
    "virtual-account-late-deposit": lambda: _late_account(Play()).pay(),
    "fixed-virtual-account": lambda: _fixed(Play(), "d1", "d2", "d3"),
    "cancel-before-deposit": lambda: Play().issue().later().look(status="cancelled", cancelled_at=T0 + 60),
    "paymentwall": lambda: Play(pg_provider="paymentwall").pay(),
    "paymentwall-late-approval": lambda: Play().later().look(status="failed", failed_at=T0 + 60).pay(failed_at=0),
    "paymentwall-cancel": lambda: _pending(Play()).take_back(1004).look(),
    "paymentwall-cancel-rejected": lambda: _pending(Play()).later(DAY).look().reject(),
    "paypal-pending": lambda: Play().look(status="pending").pay(),
    "paypal-cancel": lambda: _pending(Play(currency="USD")).take_back(1004).look(),
    "smartro-refund": lambda: _pending(Play().issue()).take_back(1004).look(),
    "partial-cancel": lambda: _part(Play()).look(),
    "full-cancel-in-steps": lambda: _step(Play().pay(), 300, 300, 404),
    "taken-back": lambda: _taken_back(Play().pay().take_back(1004).look()),
    "decimals": lambda: _step(Play(amount=Decimal("10.10"), currency="USD").pay(), Decimal("7.05"), Decimal("3.05")),
    "promotion": lambda: _step(Play(amount=10000, promotion={"id": "p", "discount": 1000}).pay(), 10000),
    "amount-mismatch": lambda: Play(amount=900).expect(1004, "KRW").pay(),
    "forged": lambda: Play().pay().look(),
    "sub-merchant": lambda: Play().pay(),
    "test-call": Play,
    "test-channel": Play,
    "escrow": lambda: _refused(Play(escrow=True).pay()),
}
OTHERS: dict[str, Callable[[], Play]] = {
    "nothing-yet": lambda: Play().look(),
    "unknown-status": lambda: Play().look(status="reviewing"),
    "billing-key": lambda: Play(amount=0).pay(),
    "billing-key-cancelled": lambda: Play(amount=0).pay().later().look(status="cancelled", cancelled_at=T0 + 90),
    "account-revoked": lambda: Play().issue().later().look(status="failed", failed_at=T0 + 60),
    "deadline-moved": lambda: (
        Play().issue(deadline=T0 + 60).look(vbank_date=T0 + 5000).later(1000).look(vbank_date=T0 + 5000)
        .later(10_000).look(vbank_date=T0 + 5000)
    ),
    "no-deadline": lambda: Play().issue(deadline=0).later(400 * DAY).look(),
    "part-deposited": lambda: Play().issue(T0 + 1).later(DAY).deposit(5, "d1").look(status="ready", paid_at=0),
    "deposits-at-once": lambda: Play().issue(0, amount=0).deposit(5, "d1").deposit(3, "d2").deposit(5, "d3").look(),
    "deposit-listed-late": lambda: Play().issue().pay().deposit(1004, "d1").look(),
    "deposit-after-cancellation": lambda: _fixed(Play(), "d1").take_back(5000).look().deposit(3000, "d2").look(),
    "deposit-after-void": lambda: Play().issue(0, amount=0).show(status="cancelled").look().deposit(3000, "d1").look(),
    "failed-then-paid-at-once": lambda: Play(failed_at=T0 + 5).pay(),
    "failed-after-paid": lambda: Play().pay().later().look(status="failed", failed_at=T0 + 90),
    "partial-says-cancelled": lambda: _part(Play(), status="cancelled").look(),
    "paid-at-gone": lambda: Play().take_back(1004).look(),
    "discount-not-counted": lambda: (
        Play(amount=10000, promotion={"id": "p", "discount": 1000}).pay().take_back(9000, status="cancelled").look()
    ),
    "no-history": lambda: _part(Play(), cancel_history=[]).look(),
    "history-later": lambda: _part(Play()).look(cancel_history=[]).look(),
    "id-later": lambda: _part(Play()).look(cancel_history=[entry(300, T0 + 60, None, "t1")]).look(),
    "shared-pg-tid": lambda: (
        Play().pay().take_back(300, None, "t").look().take_back(300, None, "t").look()
    ),
    "stale-look": lambda: (
        Play().pay().take_back(1004).look()
        .look(status="paid", cancel_amount=0, cancel_history=[], cancelled_at=0)
    ),
    "recorded-only": lambda: Play().pay().note(1004).take_back(1004).look(),
    "two-requests": lambda: (
        Play().pay().note(300, "r1").note(200, "r2").take_back(200, "c2").look().take_back(300, "c1").look()
    ),
    "immediate-answer": lambda: Play().pay().ask(1004).take_back(1004).look(),
    "sender-gone": lambda: Play().pay().intend(1004).later(61).look(),
    "claimed": lambda: _claimed(Play()),
    "claimed-and-confirmed": lambda: _claimed(Play()).take_back(1004, "c1").look(),
    "claimed-in-vain": lambda: _claimed(Play()).later(14 * DAY).look(),
    "claim-explained": lambda: Play().pay().look("c1").take_back(1004, "c1").look(),
    "escrow-first": lambda: Play(escrow=True).tell(_change("2")).pay(),
    "escrow-unpaid": lambda: Play(escrow=True).tell(_change("8")).look(),
    "escrow-again": lambda: Play(escrow=True).pay().tell(_change("2")).look().later(DAY).tell(_change("2")).look(),
    "escrow-no-time": lambda: Play(escrow=True).pay().tell(EscrowChange("2", None, None, T0 + 99)).look(),
    "escrow-not-shown": lambda: Play().pay().tell(_change("2")).look(),
    "deposit-taken-back": lambda: _again(Play().issue().pay().show(status="ready", paid_at=0)),
    "taken-back-and-asked-again": lambda: (
        _taken_back(Play().pay().take_back(1004).look()).ask(1004, "r2").take_back(1004, "c2").look()
    ),
    "taken-back-and-gone-again": lambda: (
        _taken_back(Play().pay().take_back(1004).look()).take_back(1004, "c2").look()
    ),
    "mismatch-later": lambda: Play(amount=900).pay().later().expect(1004).look(),
}  # fmt: skip
_PLACEHOLDERS = {
    "vbank_issued": "{number}",
    "vbank_expired": "{number}",
    "deposited": "{pg_tid}",
    "cancelled": "{id}",
    "cancelled_total": "{decimal}",
    "requested": "{id}",
    "rejected": "{id}",
    "amount_mismatch": "{amount}:{currency}",
    "escrow": "{code}:{changed_at}",
}


def _general(key: str) -> str:
    """A fact's key with a placeholder for what is of this payment only."""
    kind, colon, _ = key.partition(":")
    return key if not colon or key == "cancelled:void" else f"{kind}:{_PLACEHOLDERS[kind]}"


@pytest.mark.parametrize(
    ("row", "play"),
    [(row, (SCENARIOS | OTHERS)[row.name]) for row in (*scenarios(), *other_cases())],
    ids=lambda value: value.name if isinstance(value, TableRow) else "",
)
def test_each_case_gives_the_facts_and_events_of_its_row(row: TableRow, play: Callable[[], Play]) -> None:
    """What is played as looks comes out as the document says, in its order, with its status."""
    played = play()
    assert tuple(played.types) == row.events
    assert sorted(map(_general, played.record.facts)) == sorted(row.facts)
    assert played.record.status == (row.status or "ready")


def test_every_play_has_its_row() -> None:
    """Nothing is played that the document does not tell of."""
    assert {row.name for row in scenarios()} == set(SCENARIOS)
    assert {row.name for row in other_cases()} == set(OTHERS)
