"""Payments as operators see them, alone or in a list, with or without their events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from console.context import Context
from console.operations.read_events import EventView, event_view
from ledger.pages import Page, PageRequest
from ledger.payments import Payment
from schemas import wire
from schemas.errors import NotFound
from schemas.payments.cancellations import CancellationRequest

CONCURRENT_READS = 20
"""Payments of a list whose events are read at the same time, so that one request does not take all connections."""


@dataclass(frozen=True, slots=True)
class PaymentView:
    """A payment. `snapshot` is i'mport's object as plain values, numbers digit by digit.

    `cancellations` are the requests whose outcome is open or known; one that is being sent right now is not shown yet.
    """

    stored: Payment
    cancellations: tuple[CancellationRequest, ...]
    snapshot: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PaymentWithEvents(PaymentView):
    """A payment with its latest events, oldest first."""

    events: tuple[EventView, ...]


async def read_payment(context: Context, merchant: str, imp_uid: str) -> PaymentWithEvents:
    """A payment with its events. Raises `NotFound` before the first successful look-up."""
    return await _with_events(context, await context.ledger.payments.get(merchant, imp_uid))


async def find_payment(context: Context, merchant: str, imp_uid: str) -> PaymentView | None:
    """A payment; None where no look-up has found it."""
    try:
        return _view(await context.ledger.payments.get(merchant, imp_uid))
    except NotFound:
        return None


async def list_payments(
    context: Context,
    part: PageRequest,
    *,
    merchant: str | None = None,
    merchant_uid: str | None = None,
    status: str | None = None,
) -> Page[PaymentView]:
    """Payments of one merchant or all, of one order number, of one status."""
    page = await context.ledger.payments.list(part, merchant=merchant, merchant_uid=merchant_uid, status=status)
    return Page(tuple(map(_view, page.rows)), page.next_cursor)


async def list_payments_with_events(
    context: Context,
    part: PageRequest,
    *,
    merchant: str | None = None,
    merchant_uid: str | None = None,
    status: str | None = None,
) -> Page[PaymentWithEvents]:
    """The same payments, each with its events."""
    page = await context.ledger.payments.list(part, merchant=merchant, merchant_uid=merchant_uid, status=status)
    rows: list[PaymentWithEvents] = []
    for start in range(0, len(page.rows), CONCURRENT_READS):
        some = page.rows[start : start + CONCURRENT_READS]
        rows += await asyncio.gather(*(_with_events(context, payment) for payment in some))
    return Page(tuple(rows), page.next_cursor)


async def _with_events(context: Context, payment: Payment) -> PaymentWithEvents:
    events = await context.ledger.events.of_payment(payment.merchant, payment.imp_uid)
    view = _view(payment)
    return PaymentWithEvents(view.stored, view.cancellations, view.snapshot, tuple(map(event_view, events)))


def _view(payment: Payment) -> PaymentView:
    shown = tuple(request for request in payment.requests if request.state not in ("sending", "sent"))
    return PaymentView(payment, shown, wire.loads(payment.snapshot))
