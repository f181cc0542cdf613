"""The book of payments: what i'mport knows of each, in memory, and what can happen to one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.blank_payment import blank_payment

Money = int | Decimal
Fields = dict[str, Any]
Outcome = Literal["cancelled", "rejected", "never"]


class Late(BaseModel):
    """How a cancellation at a slow PG ends, ``seconds`` after it was asked for; with `never` it waits for ever."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Outcome = "cancelled"
    seconds: float = Field(default=2.0, ge=0)


@dataclass(frozen=True, slots=True)
class Route:
    """Where and how a payment's webhooks go; ``url`` None is the sandbox's own, ``source`` the address to send from."""

    url: str | None = None
    merchant: str | None = None
    form: bool = False
    retries: int = 0
    source: str | None = None


@dataclass(slots=True)
class SandboxPayment:
    """One payment: ``fields`` is the object that the API shows, the rest is between i'mport and the PG."""

    fields: Fields
    account: str | None = None
    tier: str | None = None
    late: Late = field(default_factory=Late)
    route: Route = field(default_factory=Route)
    partial_status: str = "paid"
    updated_at: float = 0.0

    @property
    def imp_uid(self) -> str:
        """i'mport's name for it."""
        return str(self.fields["imp_uid"])

    @property
    def total(self) -> Money:
        """What was paid in all: the amount, or the deposits where they are more (fixed accounts have amount 0)."""
        deposits: Money = sum((row["amount"] for row in self.fields["deposit_history"] or ()), 0)
        amount: Money = self.fields["amount"]
        return max(amount, deposits)

    @property
    def left(self) -> Money:
        """What can still be cancelled, in terms of ``amount`` also where a promotion lowered what was approved."""
        cancelled: Money = self.fields["cancel_amount"]
        return self.total - cancelled


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: an account and, in the header `Tier`, one of its sub-merchants or none."""

    account: str
    tier: str | None = None

    def sees(self, payment: SandboxPayment) -> bool:
        """Its own payments and those of no account in particular; a sub-merchant's with its code only."""
        return payment.account in (None, self.account) and payment.tier == self.tier


class Book:
    """All payments by imp_uid, and the amounts that were registered beforehand by merchant_uid."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._payments: dict[str, SandboxPayment] = {}
        self.prepared: dict[str, Fields] = {}

    def __iter__(self) -> Iterator[SandboxPayment]:
        return iter(list(self._payments.values()))

    @property
    def now(self) -> int:
        """The time in UNIX seconds."""
        return int(self._clock())

    def clear(self) -> None:
        """Forgets everything."""
        self._payments.clear()
        self.prepared.clear()

    def find(self, imp_uid: str, caller: Caller | None = None) -> SandboxPayment | None:
        """A payment that ``caller`` may see; None asks for nobody in particular."""
        payment = self._payments.get(imp_uid)
        return None if payment is None or (caller is not None and not caller.sees(payment)) else payment

    def start(self, **fields: Any) -> SandboxPayment:
        """A buyer opens the payment window: a payment that is `ready`. ``fields`` override what a card payment has."""
        payment = SandboxPayment(blank_payment(self.now, fields.get("channel", "pc")) | fields)
        self._payments[payment.imp_uid] = payment
        return self._touched(payment)

    def patch(self, payment: SandboxPayment, **fields: Any) -> SandboxPayment:
        """Sets fields as they are given, whatever sense they make."""
        payment.fields |= fields
        return self._touched(payment)

    def approve(self, payment: SandboxPayment) -> SandboxPayment:
        """The PG approved it, also after it had failed: the failure is then gone from what the API shows."""
        return self.patch(payment, status="paid", paid_at=self.now, failed_at=0, fail_reason=None)

    def fail(self, payment: SandboxPayment, reason: str) -> SandboxPayment:
        """The PG turned it down."""
        return self.patch(payment, status="failed", failed_at=self.now, fail_reason=reason)

    def issue_account(self, payment: SandboxPayment, deadline: int, holder: str | None = "아임포트") -> SandboxPayment:
        """A virtual account to pay into until ``deadline`` (UNIX seconds, 0 for ever)."""
        number = "".join(secrets.choice("0123456789") for _ in range(12))
        where = {"vbank_code": "004", "vbank_name": "KB국민은행", "vbank_num": number, "vbank_holder": holder}
        return self.patch(
            payment, pay_method="vbank", status="ready", vbank_date=deadline, vbank_issued_at=self.now, **where
        )

    def deposit(self, payment: SandboxPayment, amount: Money, depositor: str) -> SandboxPayment:
        """Money came into a fixed account; after a cancellation the status stays as it was."""
        row = {"pg_tid": _id("dep"), "amount": amount, "depositor_name": depositor, "deposited_at": self.now}
        self.patch(payment, deposit_history=[*(payment.fields["deposit_history"] or ()), row])
        if payment.fields["status"] == "ready":
            self.approve(payment)
        return payment

    def take_back(self, payment: SandboxPayment, amount: Money, reason: str, cancellation_id: str) -> SandboxPayment:
        """The PG gave ``amount`` back. After a part of it documents and PGs differ on what the status says."""
        row = {
            "pg_tid": _id("can"),
            "amount": amount,
            "cancelled_at": self.now,
            "reason": reason,
            "cancellation_id": cancellation_id,
            "receipt_url": None,
        }
        self.patch(
            payment,
            cancel_amount=payment.fields["cancel_amount"] + amount,
            cancel_history=[*payment.fields["cancel_history"], row],
            cancelled_at=self.now,
            cancel_reason=reason,
        )
        return self.patch(payment, status="cancelled" if payment.left <= 0 else payment.partial_status)

    def void(self, payment: SandboxPayment, reason: str) -> SandboxPayment:
        """Cancelled before anything was paid: there is no money to give back, so no entry either."""
        return self.patch(payment, status="cancelled", cancelled_at=self.now, cancel_reason=reason)

    def undo(self, payment: SandboxPayment) -> SandboxPayment | None:
        """The PG takes its latest cancellation back, or where there is none the latest deposit: the payment reads as
        it did before. None where there is neither."""
        fields = payment.fields
        if fields["cancel_history"]:
            *rest, last = fields["cancel_history"]
            latest = rest[-1] if rest else {"cancelled_at": 0, "reason": None}
            left = fields["cancel_amount"] - last["amount"]
            return self.patch(
                payment, cancel_history=rest, cancel_amount=left, cancelled_at=latest["cancelled_at"],
                cancel_reason=latest["reason"], status=payment.partial_status if left else "paid",
            )  # fmt: skip
        deposits = list(fields["deposit_history"] or ())[:-1]
        if fields["pay_method"] != "vbank" or fields["status"] != "paid":
            return None
        still_paid = {} if deposits else {"status": "ready", "paid_at": 0}
        return self.patch(payment, deposit_history=deposits or None, **still_paid)

    def _touched(self, payment: SandboxPayment) -> SandboxPayment:
        payment.updated_at = self._clock()
        return payment


def new_cancellation_id() -> str:
    """An id for a cancellation, as i'mport makes one."""
    return _id("cancellation")


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(8)}"
