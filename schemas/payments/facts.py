"""What happened to a payment: a set of facts that only grows, and the payment's status that follows from it.

`schemas.payments.derive_facts` says which facts a look-up proves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from schemas.payments.snapshot import ZERO


class FactKind(StrEnum):
    """What happened, in the order in which facts of the same time are announced."""

    ISSUED = "virtual_account_issued"
    EXPIRED = "virtual_account_expired"
    PAID = "paid"
    DEPOSITED = "deposited"
    FAILED = "failed"
    REQUESTED = "cancellation_pending"
    CANCELLED = "cancelled"
    REJECTED = "cancellation_rejected"
    ESCROW = "escrow_changed"
    MISMATCH = "amount_mismatch"
    ALIAS = "alias"


class Status(StrEnum):
    """A payment's status as it follows from its facts."""

    READY = "ready"
    ISSUED = "virtual_account_issued"
    EXPIRED = "virtual_account_expired"
    PAID = "paid"
    FAILED = "failed"
    PENDING = "cancellation_pending"
    PARTIALLY_CANCELLED = "partially_cancelled"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that happened. Its key does not depend on when or how it is found.

    ``at`` is when it happened, in UNIX seconds (when it was first found, if i'mport gives no time). ``amount`` is what
    was deposited or cancelled, in the currency's major unit. ``whole``: nothing is left to cancel after it. ``entry``
    is the key of the deposit that ``paid`` stands for. ``closes`` are the ids of the cancellation requests it settles.
    An ``ALIAS`` is an entry of i'mport's history for money that another fact has announced already; it makes no event.
    """

    key: str
    kind: FactKind
    at: int
    amount: Decimal = ZERO
    whole: bool = False
    entry: str | None = None
    closes: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict, repr=False)


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class ExpectedAmount:
    """The amount that the merchant expects, in the currency's major unit; ``currency`` None accepts any."""

    amount: Decimal
    currency: str | None = None


class Tally:
    """A payment's status and cancelled amount, fact by fact in the order they were found."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.cancelled = ZERO
        self._kinds: set[FactKind] = set()
        self._whole = False
        self._issued = ""
        self._expired: set[str] = set()
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> None:
        """Counts one more fact."""
        self._kinds.add(fact.kind)
        self._whole = self._whole or fact.whole
        if fact.kind is FactKind.CANCELLED:
            self.cancelled += fact.amount
        elif fact.kind is FactKind.ISSUED:
            self._issued = fact.key
        elif fact.kind is FactKind.EXPIRED:
            self._expired.add(fact.key)

    def status(self, open_requests: Iterable[str] = ()) -> Status:
        """The status while these requests are open."""
        if any(True for _ in open_requests):
            return Status.PENDING
        if FactKind.CANCELLED in self._kinds:
            return Status.CANCELLED if self._whole else Status.PARTIALLY_CANCELLED
        if FactKind.PAID in self._kinds:
            return Status.PAID
        if FactKind.FAILED in self._kinds:
            return Status.FAILED
        if not self._issued:
            return Status.READY
        expired = self._issued.replace("vbank_issued:", "vbank_expired:", 1)
        return Status.EXPIRED if expired in self._expired else Status.ISSUED


def status(facts: Iterable[Fact], open_requests: Iterable[str] = ()) -> Status:
    """The status of a payment with these facts, in the order they were found, and these open requests."""
    return Tally(facts).status(open_requests)


def cancelled_amount(facts: Iterable[Fact]) -> Decimal:
    """The sum that was announced as cancelled; never more than i'mport's ``cancel_amount``."""
    return sum((fact.amount for fact in facts if fact.kind is FactKind.CANCELLED), ZERO)


def plain(amount: Decimal) -> str:
    """The same text for equal amounts, however they were written: ``1004``, ``10.5``."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
