"""The sandbox's payments, in memory, and what can happen to one."""

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


class DelayedOutcome(BaseModel):
    """How a cancellation at a slow PG ends, ``seconds`` after it was requested; with `never` it stays pending."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outcome: Outcome = "cancelled"
    seconds: float = Field(default=2.0, ge=0)


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where a payment's webhooks go and how. With ``url`` None they go to the sandbox's webhook URL; ``source`` is the
    address to send from."""

    url: str | None = None
    merchant: str | None = None
    form: bool = False
    retries: int = 0
    source: str | None = None


@dataclass(slots=True)
class SandboxPayment:
    """One payment: ``fields`` is the object that the API shows; the rest is not visible there."""

    fields: Fields
    account: str | None = None
    tier: str | None = None
    delayed_outcome: DelayedOutcome = field(default_factory=DelayedOutcome)
    webhook_target: WebhookTarget = field(default_factory=WebhookTarget)
    partial_status: str = "paid"
    updated_at: float = 0.0

    @property
    def imp_uid(self) -> str:
        """Its imp_uid."""
        return str(self.fields["imp_uid"])

    @property
    def total(self) -> Money:
        """The sum paid: the amount, or the deposits if they are more (fixed accounts have amount 0)."""
        deposits: Money = sum((row["amount"] for row in self.fields["deposit_history"] or ()), 0)
        amount: Money = self.fields["amount"]
        return max(amount, deposits)

    @property
    def left(self) -> Money:
        """What can still be cancelled of ``total``, even if a promotion lowered the approved amount."""
        cancelled: Money = self.fields["cancel_amount"]
        return self.total - cancelled


@dataclass(frozen=True, slots=True)
class Requester:
    """The sender of a request: an account and, if the header `Tier` names one, its sub-merchant."""

    account: str
    tier: str | None = None

    def sees(self, payment: SandboxPayment) -> bool:
        """Whether it may see a payment: one of its account or of no account, and of the same sub-merchant."""
        return payment.account in (None, self.account) and payment.tier == self.tier


class SandboxPayments:
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
        """Removes everything."""
        self._payments.clear()
        self.prepared.clear()

    def find(self, imp_uid: str, requester: Requester | None = None) -> SandboxPayment | None:
        """A payment that ``requester`` may see; any payment without one."""
        payment = self._payments.get(imp_uid)
        return None if payment is None or (requester is not None and not requester.sees(payment)) else payment

    def start(self, **fields: Any) -> SandboxPayment:
        """A buyer opens the payment window: a card payment that is `ready`, with these ``fields``."""
        payment = SandboxPayment(blank_payment(self.now, fields.get("channel", "pc")) | fields)
        self._payments[payment.imp_uid] = payment
        return self._touched(payment)

    def patch(self, payment: SandboxPayment, **fields: Any) -> SandboxPayment:
        """Sets fields without checking them."""
        payment.fields |= fields
        return self._touched(payment)

    def approve(self, payment: SandboxPayment) -> SandboxPayment:
        """The PG approves it. An earlier failure is no longer visible in the API then."""
        return self.patch(payment, status="paid", paid_at=self.now, failed_at=0, fail_reason=None)

    def fail(self, payment: SandboxPayment, reason: str) -> SandboxPayment:
        """The PG declines it."""
        return self.patch(payment, status="failed", failed_at=self.now, fail_reason=reason)

    def issue_account(self, payment: SandboxPayment, deadline: int) -> SandboxPayment:
        """Issues a virtual account to pay into until ``deadline`` (UNIX seconds, 0: no deadline)."""
        number = "".join(secrets.choice("0123456789") for _ in range(12))
        where = {"vbank_code": "004", "vbank_name": "KB국민은행", "vbank_num": number, "vbank_holder": "아임포트"}
        return self.patch(
            payment, pay_method="vbank", status="ready", vbank_date=deadline, vbank_issued_at=self.now, **where
        )

    def deposit(self, payment: SandboxPayment, amount: Money, depositor: str) -> SandboxPayment:
        """Money comes into a fixed account; after a cancellation the status stays."""
        row = {"pg_tid": _id("dep"), "amount": amount, "depositor_name": depositor, "deposited_at": self.now}
        self.patch(payment, deposit_history=[*(payment.fields["deposit_history"] or ()), row])
        if payment.fields["status"] == "ready":
            self.approve(payment)
        return payment

    def refund(self, payment: SandboxPayment, amount: Money, reason: str, cancellation_id: str) -> SandboxPayment:
        """The PG refunds ``amount``. After a partial refund PGs differ in the status (``partial_status``)."""
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
        """Cancels it before anything was paid. No money is refunded, so `cancel_history` gets no entry."""
        return self.patch(payment, status="cancelled", cancelled_at=self.now, cancel_reason=reason)

    def take_back(self, payment: SandboxPayment) -> SandboxPayment | None:
        """The PG takes back its latest cancellation or, without one, the latest deposit. None without either."""
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
    """A new cancellation_id like i'mport's."""
    return _id("cancellation")


def _id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(8)}"
