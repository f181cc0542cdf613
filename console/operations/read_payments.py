"""Payments as operators see them, alone or in a list, with or without their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from console.context import Context
from console.operations import from_history
from console.operations.read_events import EventView, event_view
from console.operations.wait_for_history import ANSWER_WITHIN, HistoryPage, wait_for_history
from history.connection import PATIENCE
from history.pages import PageRequest
from ledger.events import StoredEvent
from ledger.payments import Payment
from schemas import wire
from schemas.errors import HistoryUnavailable, NotFound
from schemas.payments.cancellations import CancellationRequest, left_after_requests
from schemas.payments.snapshot import ZERO, Snapshot

MOST_EVENTS = 200
"""The most events that are shown with a payment; these are the latest."""
_APPROVED = ("paid", "partially_cancelled", "cancellation_pending")
_AT_IAMPORT = ("paid", "cancelled")
"""An approved payment's statuses: of the relay, and of i'mport."""


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment. `snapshot` is i'mport's object as plain values, numbers digit by digit.

    `cancellations` are the requests whose outcome is open or known. A request that is just being sent is not shown yet.
    """

    stored: Payment
    cancellations: tuple[CancellationRequest, ...]
    snapshot: Mapping[str, Any] = field(repr=False)

    @property
    def left_to_cancel(self) -> Decimal:
        """What can still be cancelled, in the currency's major unit: open requests count as cancelled. 0 unless the
        payment is approved, by its events and as i'mport shows it now: a deposit may have been taken back."""
        if self.stored.status not in _APPROVED and not self.stored.contradicts:
            return ZERO
        snapshot = Snapshot.parse(self.snapshot)
        return left_after_requests(snapshot, self.stored.requests) if snapshot.status in _AT_IAMPORT else ZERO


@dataclass(frozen=True, slots=True)
class PaymentWithEvents(PaymentView):
    """A payment with its latest events, oldest first."""

    events: tuple[EventView, ...]


async def read_payment(context: Context, merchant: str, imp_uid: str) -> PaymentWithEvents:
    """A payment with its events, wherever it is. If history knows later events, because Redis came back with an old
    copy, the payment is shown as history has it. Raises `NotFound` before the first successful look-up."""
    ledger = context.ledger
    try:
        found = await ledger.payments.get(merchant, imp_uid)
    except NotFound:
        found = from_history.payment(await context.history.payments.get(merchant, imp_uid))
        return _with_events(found, await _recorded_events(context, found))
    try:
        recorded = from_history.payment(await context.history.payments.get(merchant, imp_uid, patience=ANSWER_WITHIN))
        if recorded.sequence > found.sequence and found.erased_at is None:
            later = await _recorded_events(context, found, ANSWER_WITHIN)
            return _with_events(_with_requests(recorded, found), later)
    except (NotFound, HistoryUnavailable):
        pass  # history is behind or away, so the ledger has everything that can be shown
    return _with_events(found, await ledger.events.of_payment(merchant, imp_uid, most=MOST_EVENTS))


async def _recorded_events(context: Context, payment: Payment, patience: float = PATIENCE) -> Sequence[StoredEvent]:
    name = (payment.merchant, payment.imp_uid)
    recorded = await context.history.events.of_payments([name], most=MOST_EVENTS, patience=patience)
    return list(map(from_history.event, recorded[name]))


def _with_requests(recorded: Payment, now: Payment) -> Payment:
    """A payment as history has it, with the cancellation requests that only the ledger has."""
    known = {request.id for request in recorded.requests}
    return replace(recorded, requests=(*recorded.requests, *(one for one in now.requests if one.id not in known)))


async def find_payment(context: Context, merchant: str, imp_uid: str) -> PaymentView | None:
    """A payment that the ledger has; None if it does not have it."""
    try:
        return as_shown(await context.ledger.payments.get(merchant, imp_uid))
    except NotFound:
        return None


async def list_payments(
    context: Context,
    part: PageRequest,
    *,
    merchant: str | None = None,
    imp_uid: str | None = None,
    merchant_uid: str | None = None,
    status: str | None = None,
) -> HistoryPage[PaymentView]:
    """Payments, newest first, filtered by merchant, id, order number and status. Raises `Invalid` and
    `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.payments.list(
        part, merchant=merchant, imp_uid=imp_uid, merchant_uid=merchant_uid, status=status
    )
    return HistoryPage(tuple(as_shown(from_history.payment(row)) for row in page.rows), page.next_cursor, behind)


async def list_payments_with_events(
    context: Context,
    part: PageRequest,
    *,
    merchant: str | None = None,
    merchant_uid: str | None = None,
    status: str | None = None,
) -> HistoryPage[PaymentWithEvents]:
    """The same payments, each with its events."""
    behind = await wait_for_history(context, merchant)
    history = context.history
    page = await history.payments.list(part, merchant=merchant, merchant_uid=merchant_uid, status=status)
    names = [(row.merchant, row.imp_uid) for row in page.rows]
    recorded = await history.events.of_payments(names, most=MOST_EVENTS)
    rows = [
        _with_events(from_history.payment(row), list(map(from_history.event, recorded[name])))
        for name, row in zip(names, page.rows, strict=True)
    ]
    return HistoryPage(tuple(rows), page.next_cursor, behind)


def _with_events(payment: Payment, events: Sequence[StoredEvent]) -> PaymentWithEvents:
    view = as_shown(payment)
    return PaymentWithEvents(view.stored, view.cancellations, view.snapshot, tuple(map(event_view, events)))


def as_shown(payment: Payment) -> PaymentView:
    """A payment as operators see it."""
    shown = tuple(request for request in payment.requests if request.state not in ("sending", "sent"))
    return PaymentView(payment, shown, wire.loads(payment.snapshot))
