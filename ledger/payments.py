"""Payments as their last refresh found them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ledger import order_rows, payment_rows
from ledger.cells import Cells
from ledger.payment_rows import PaymentRow
from schemas.errors import NotFound
from schemas.outbox.codec import pack
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.facts import ExpectedAmount, cancelled_amount
from schemas.reasons import Reason


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment: amounts in the currency's major unit, times in UNIX seconds. `snapshot` is i'mport's object as JSON;
    `requests` are its cancellation requests; `contradicts` are the events that the object no longer confirms;
    `erased_at` is when its buyer was forgotten.
    """

    merchant: str
    imp_uid: str
    merchant_uid: str
    status: str
    sequence: int
    amount: Decimal
    cancelled_amount: Decimal
    currency: str
    fetched_at: float | None
    snapshot: bytes = field(repr=False)
    requests: Sequence[CancellationRequest] = field(default=(), repr=False)
    contradicts: Sequence[str] = ()
    erased_at: float | None = None


@dataclass(frozen=True, slots=True)
class RefreshState:
    """The state of a payment's refresh: when it was last looked up (UNIX seconds), at how many look-ups i'mport did
    not know it, whether a refresh is due or under way, and when a look-up last found that the payment does not exist
    for the merchant (UNIX seconds, None if none did within a day)."""

    fetched_at: float | None
    unknown: int
    due: bool
    hidden_at: float | None = None

    @property
    def hidden(self) -> bool:
        """Whether the latest refresh found that it does not exist for the merchant."""
        return self.hidden_at is not None and (self.fetched_at is None or self.hidden_at >= self.fetched_at)


class Payments:
    """The payments that a refresh has found."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def get(self, merchant: str, imp_uid: str) -> Payment:
        """One payment. Raises `NotFound` before the first refresh that found it."""
        return _payment(await payment_rows.read(self._cells.of(merchant), merchant, imp_uid))

    async def refresh_state(self, merchant: str, imp_uid: str) -> RefreshState:
        """The state of a payment's refresh."""
        fetched, unknown, due, hidden = await self._cells.of(merchant).run("read_refresh_state", merchant, imp_uid)
        at, hidden_at = (int(ms) / 1000 if ms else None for ms in (fetched, hidden))
        return RefreshState(at, int(unknown), due == 1, hidden_at)

    async def expect(self, merchant: str, merchant_uid: str, amount: Decimal, currency: str | None) -> None:
        """Record what a merchant expects to be paid for an order, in the currency's major unit, and refresh the newest
        100 payments of that order. Raises `NotFound` for an unknown merchant."""
        row = order_rows.dump(ExpectedAmount(amount, currency))
        args = (merchant, merchant_uid, row, pack(order_rows.to_entry(merchant, merchant_uid, row)))
        if await self._cells.of(merchant).run_and_kick("put_order", *args, durable=True) == b"unknown":
            raise NotFound(Reason.of("not_found", kind="merchant", id=merchant))


def _payment(row: PaymentRow) -> Payment:
    record = row.load()
    snapshot = record.snapshot
    return Payment(
        merchant=row.merchant,
        imp_uid=row.imp_uid,
        merchant_uid=snapshot.merchant_uid if snapshot else "",
        status=record.status.value,
        sequence=record.sequence,
        amount=snapshot.amount if snapshot else Decimal(),
        cancelled_amount=cancelled_amount(record.facts.values()),
        currency=snapshot.currency if snapshot else "",
        fetched_at=None if row.fetched_at is None else row.fetched_at / 1000,
        snapshot=snapshot.raw if snapshot else b"{}",
        requests=record.requests,
        contradicts=record.contradicts,
        erased_at=None if record.erased_at is None else record.erased_at / 1000,
    )
