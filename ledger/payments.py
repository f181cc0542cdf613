"""Payments as their last refresh found them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from ledger import keys
from ledger.cells import Cells
from ledger.rows import Row, hashes, seconds, text
from schemas import wire
from schemas.errors import NotFound
from schemas.outbox.codec import pack
from schemas.outbox.entries import Order
from schemas.payments import codec
from schemas.payments.cancellations import CancellationRequest
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
    not know it, whether a refresh is due or under way, and when one last found that the payment does not exist for the
    merchant (UNIX seconds, None where none did within a day)."""

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
        row = (await hashes(self._cells.of(merchant), [keys.PAYMENT(keys.payment(merchant, imp_uid))]))[0]
        if not row:
            raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
        return _payment(merchant, imp_uid, row)

    async def refresh_state(self, merchant: str, imp_uid: str) -> RefreshState:
        """The state of a payment's refresh."""
        fetched, unknown, due, hidden = await self._cells.of(merchant).run("read_refresh_state", merchant, imp_uid)
        at, hidden_at = (int(ms) / 1000 if ms else None for ms in (fetched, hidden))
        return RefreshState(at, int(unknown), due == 1, hidden_at)

    async def expect(self, merchant: str, merchant_uid: str, amount: Decimal, currency: str | None) -> None:
        """Record what a merchant expects to be paid for an order, in the currency's major unit, and refresh the newest
        100 payments of that order. Raises `NotFound` for an unknown merchant."""
        expectation = wire.dumps({"amount": str(amount), "currency": currency})
        entry = pack(Order(merchant, merchant_uid, f"{amount:f}", currency))
        args = (merchant, merchant_uid, expectation, entry)
        if await self._cells.of(merchant).run_and_kick("put_order", *args, durable=True) == b"unknown":
            raise NotFound(Reason.of("not_found", kind="merchant", id=merchant))


def _payment(merchant: str, imp_uid: str, row: Row) -> Payment:
    return Payment(
        merchant=merchant,
        imp_uid=imp_uid,
        merchant_uid=text(row, "merchant_uid") or "",
        status=text(row, "status") or "ready",
        sequence=int(row.get("sequence") or 0),
        amount=Decimal(text(row, "amount") or 0),
        cancelled_amount=Decimal(text(row, "cancelled_amount") or 0),
        currency=text(row, "currency") or "",
        fetched_at=seconds(row, "fetched_at"),
        snapshot=row.get("snapshot") or b"{}",
        requests=tuple(codec.load_request(request) for request in wire.loads(row.get("requests") or b"[]")),
        contradicts=wire.loads(row.get("contradicts") or b"[]"),
        erased_at=seconds(row, "erased_at"),
    )
