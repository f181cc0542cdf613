"""A payment as i'mport shows it, for tests: built by hand, or lived through step by step as a history of looks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas import wire
from schemas.payments.decide import Change, Policy, Record, decide
from schemas.payments.derive_facts import new_facts
from schemas.payments.facts import Fact
from schemas.payments.snapshot import Snapshot

T0 = 1_700_000_000
"""When the payments of these tests start, in UNIX seconds."""

IMP_UID = "imp_448280090638"
ACCOUNT = {"pay_method": "vbank", "vbank_num": "110-1", "vbank_code": "004", "vbank_name": "KB", "vbank_holder": "Kim"}
OPEN_POLICY = Policy(lookback=10**9)


def payment(**fields: Any) -> dict[str, Any]:
    """i'mport's object of a card payment that is `ready`, changed by ``fields``."""
    plain = {
        "imp_uid": IMP_UID,
        "merchant_uid": "order_1",
        "pay_method": "card",
        "pg_provider": "html5_inicis",
        "sandbox": False,
        "amount": 1004,
        "cancel_amount": 0,
        "currency": "KRW",
        "status": "ready",
        "started_at": T0,
        "paid_at": 0,
        "failed_at": 0,
        "cancelled_at": 0,
        "fail_reason": None,
        "cancel_reason": None,
        "cancel_history": [],
        "deposit_history": None,
    }
    return plain | fields


def entry(amount: Any, at: int, cancellation_id: str | None = None, pg_tid: str | None = None) -> dict[str, Any]:
    """One row of ``cancel_history``."""
    return {
        "pg_tid": pg_tid,
        "amount": amount,
        "cancelled_at": at,
        "reason": "changed my mind",
        "cancellation_id": cancellation_id,
        "receipt_url": None,
    }


def deposit(amount: Any, at: int, pg_tid: str | None = None) -> dict[str, Any]:
    """One row of ``deposit_history``."""
    return {"pg_tid": pg_tid, "amount": amount, "depositor_name": "Kim", "deposited_at": at}


def cancelled(*rows: dict[str, Any], given: Any = None, **fields: Any) -> dict[str, Any]:
    """A payment of 1000 with this history; ``given`` is its `cancel_amount` where that is not the sum."""
    sums = sum(row["amount"] for row in rows) if given is None else given
    return {
        "amount": 1000,
        "status": "paid",
        "paid_at": T0,
        "cancel_amount": sums,
        "cancel_history": list(rows),
    } | fields


def seen(**fields: Any) -> Snapshot:
    """What a look finds; numbers take the way over JSON that they take in production."""
    return Snapshot.parse(wire.loads(wire.dumps(payment(**fields))))


def keys(facts: tuple[Fact, ...]) -> list[str]:
    """The facts' keys in order."""
    return [fact.key for fact in facts]


def looked(*looks: tuple[int, Snapshot], policy: Policy = OPEN_POLICY) -> Record:
    """The record after looks in this order, each ``(made at, what it found)``."""
    record = Record("default", IMP_UID)
    for now, snapshot in looks:
        record = decide(record, snapshot, now, policy).record
    return record


def told(change: Change) -> list[dict[str, Any]]:
    """The bodies of a change's events."""
    return [wire.loads(event.body) for event in change.events]


def found(snapshot: Snapshot, now: int = T0 + 10_000) -> tuple[Fact, ...]:
    """What one look at a payment that nobody knew finds."""
    return new_facts({}, snapshot, now, grace=600)


@dataclass(frozen=True)
class Habits:
    """What i'mport and a gateway leave open: what ids entries have, what the status says, what is kept."""

    kind: str = "card"
    amount: Decimal = Decimal(10000)
    discount: Decimal = Decimal(0)
    partial_status: str = "paid"
    names: str = "ids"
    keeps_paid_at: bool = True
    keeps_failed_at: bool = True
    newest_first: bool = False
    history_lags: bool = False


@dataclass(frozen=True)
class Life:
    """One payment at i'mport and every look at it so far, ``(time, snapshot)``; each step leaves one more."""

    habits: Habits
    now: int = T0
    fields: dict[str, Any] = field(default_factory=payment)
    looks: tuple[tuple[int, Snapshot], ...] = ()

    def step(self, seconds: int, **fields: Any) -> Life:
        """Time passes, something changes, somebody looks."""
        now = self.now + seconds
        after = self.fields | fields
        return replace(self, now=now, fields=after, looks=(*self.looks, (now, self._show(after))))

    @property
    def left(self) -> Decimal:
        """What can still be cancelled."""
        deposits = sum((row["amount"] for row in self.fields["deposit_history"] or ()), Decimal(0))
        return Decimal(max(self.fields["amount"], deposits) - self.fields["cancel_amount"])

    def paid(self, seconds: int) -> Life:
        """Approved, also after a failure."""
        kept = self.fields["failed_at"] if self.habits.keeps_failed_at else 0
        return self.step(seconds, status="paid", paid_at=self.now + seconds, failed_at=kept)

    def deposited(self, seconds: int, amount: Decimal) -> Life:
        """Money comes into a fixed account; after a cancellation the status stays."""
        rows = [*(self.fields["deposit_history"] or ()), deposit(amount, self.now + seconds, f"d{self.now + seconds}")]
        first = {"status": "paid", "paid_at": self.now + seconds} if self.fields["status"] == "ready" else {}
        return self.step(seconds, deposit_history=rows, **first)

    def cancelled(self, seconds: int, amount: Decimal) -> Life:
        """Money goes back; where the history lags, one look sees only the sum."""
        at = self.now + seconds
        row = entry(amount, at, **self._name(len(self.fields["cancel_history"])))
        all_gone = amount >= self.left
        after = self
        new = {
            "cancel_amount": self.fields["cancel_amount"] + amount,
            "cancelled_at": at,
            "status": "cancelled" if all_gone else self.habits.partial_status,
        }
        if new["status"] == "cancelled" and not self.habits.keeps_paid_at:
            new["paid_at"] = 0
        if self.habits.history_lags:
            after, seconds = after.step(seconds, **new), 0
        return after.step(seconds, **new, cancel_history=[*self.fields["cancel_history"], row])

    def _name(self, place: int) -> dict[str, str | None]:
        match self.habits.names:
            case "ids":
                return {"cancellation_id": f"c{place}", "pg_tid": "shared"}
            case "tids":
                return {"pg_tid": f"t{place}"}
            case "one tid":
                return {"pg_tid": "shared"}
        return {}

    def _show(self, fields: dict[str, Any]) -> Snapshot:
        order = -1 if self.habits.newest_first else 1
        history = {"cancel_history": fields["cancel_history"][::order]}
        if fields["deposit_history"]:
            history["deposit_history"] = fields["deposit_history"][::order]
        return seen(**(fields | history))


habits = st.builds(
    Habits,
    kind=st.sampled_from(["card", "late approval", "account", "fixed account", "promotion", "billing key"]),
    amount=st.decimals(min_value=3, max_value=10**7, places=2),
    discount=st.just(Decimal("1.50")),
    partial_status=st.sampled_from(["paid", "cancelled"]),
    names=st.sampled_from(["ids", "tids", "one tid", "none"]),
    keeps_paid_at=st.booleans(),
    keeps_failed_at=st.booleans(),
    newest_first=st.booleans(),
    history_lags=st.booleans(),
)


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """A whole life of a payment, of any kind that iamport.md tells of."""
    custom = draw(habits)
    free = custom.kind in ("fixed account", "billing key")
    life = Life(custom, fields=payment(amount=0 if free else custom.amount))
    wait = st.integers(1, 4000)
    if custom.kind == "promotion":
        life = replace(life, fields=life.fields | {"promotion": {"id": "p", "discount": custom.discount}})
    if "account" in custom.kind:
        deadline = 0 if free else draw(st.sampled_from([0, T0 + 1, T0 + 3000]))
        life = life.step(0, **ACCOUNT, vbank_date=deadline, vbank_issued_at=T0)
    for _ in range(draw(st.integers(0, 2))):
        life = life.step(draw(wait), **({"status": draw(st.sampled_from(["ready", "pending"]))} if not free else {}))
    if custom.kind in ("late approval", "account") and draw(st.booleans()):
        at = life.now + draw(wait)
        life = life.step(at - life.now, status="failed", failed_at=at, fail_reason="Internal error")
        if draw(st.booleans()):
            return life
    if custom.kind == "fixed account":
        return _fixed(draw, life)
    if draw(st.booleans()) and custom.kind == "account" and life.fields["status"] != "failed":
        return life.step(draw(wait), status="cancelled", cancelled_at=life.now)
    life = life.paid(draw(wait))
    if custom.kind == "billing key":
        return life.step(draw(wait), status="cancelled", cancelled_at=life.now)
    for _ in range(draw(st.integers(0, 4))):
        if life.left > 0:
            amount = min(draw(st.sampled_from([life.left, custom.amount / 4, custom.amount / 3])), life.left)
            life = life.cancelled(draw(st.integers(0, 4000)), amount.quantize(Decimal("0.01")))
    return life


def _fixed(draw: st.DrawFn, life: Life) -> Life:
    for _ in range(draw(st.integers(1, 6))):
        seconds = draw(st.integers(1, 4000))
        if life.left > 0 and draw(st.booleans()):
            part = draw(st.sampled_from([life.left, Decimal(1), life.left / 2])).quantize(Decimal("0.01"))
            life = life.cancelled(seconds, min(max(part, Decimal("0.01")), life.left))
        else:
            life = life.deposited(seconds, draw(st.sampled_from([Decimal(5000), Decimal(3000), Decimal("0.50")])))
    return life
