"""What happened to a payment: a set of facts that only grows, and where the payment stands by them.

Which facts a look proves is for `schemas.payments.derive_facts` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from schemas.payments.snapshot import ZERO


class Kind(StrEnum):
    """What a fact is of; in the order that facts of one moment are told in."""

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
    """Where a payment stands, as the facts say."""

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
    """One thing that happened, under a key that is the same whoever finds it, whenever.

    ``at`` is when it happened, in UNIX seconds (when it was first seen, where i'mport gives no time). ``amount`` is
    what was deposited or cancelled, in the currency's major unit. ``whole``: this cancellation left nothing.
    ``entry`` is the key of the deposit that ``paid`` stands for. ``closes`` are the requests for cancellation that it
    answers. An ``ALIAS`` is an entry of a history for money that another fact has announced: known, but no news.
    """

    key: str
    kind: Kind
    at: int
    amount: Decimal = ZERO
    whole: bool = False
    entry: str | None = None
    closes: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict, repr=False)


Facts = Mapping[str, Fact]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the merchant expects to be paid, in the currency's major unit; any currency where it is None."""

    amount: Decimal
    currency: str | None = None


class Tally:
    """Where a payment stands and what was cancelled of it, counted fact by fact, in the order they were found."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self.cancelled = ZERO
        self._kinds: set[Kind] = set()
        self._whole = False
        self._issued = ""
        self._expired: set[str] = set()
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> None:
        """One more fact."""
        self._kinds.add(fact.kind)
        self._whole = self._whole or fact.whole
        if fact.kind is Kind.CANCELLED:
            self.cancelled += fact.amount
        elif fact.kind is Kind.ISSUED:
            self._issued = fact.key
        elif fact.kind is Kind.EXPIRED:
            self._expired.add(fact.key)

    def status(self, open_requests: Iterable[str] = ()) -> Status:
        """Where the payment stands while these requests are open."""
        if any(True for _ in open_requests):
            return Status.PENDING
        if Kind.CANCELLED in self._kinds:
            return Status.CANCELLED if self._whole else Status.PARTIALLY_CANCELLED
        if Kind.PAID in self._kinds:
            return Status.PAID
        if Kind.FAILED in self._kinds:
            return Status.FAILED
        if not self._issued:
            return Status.READY
        expired = self._issued.replace("vbank_issued:", "vbank_expired:", 1)
        return Status.EXPIRED if expired in self._expired else Status.ISSUED


def status(facts: Iterable[Fact], open_requests: Iterable[str] = ()) -> Status:
    """Where a payment with these facts, in the order they were found, and these open requests stands."""
    return Tally(facts).status(open_requests)


def cancelled_amount(facts: Iterable[Fact]) -> Decimal:
    """What was announced as cancelled in all; never more than i'mport's ``cancel_amount``."""
    return sum((fact.amount for fact in facts if fact.kind is Kind.CANCELLED), ZERO)


def plain(amount: Decimal) -> str:
    """One text for equal amounts, however they were written: ``1004``, ``10.5``."""
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
