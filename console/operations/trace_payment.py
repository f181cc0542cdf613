"""Everything that is recorded about one payment: webhooks, events, and the deliveries of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.context import Context
from console.operations.read_events import EventView, list_events
from console.operations.read_payments import PaymentView, find_payment
from ledger.deliveries import DeliveryView
from ledger.notifications import StoredNotification
from ledger.pages import PageRequest
from ledger.payments import RefreshState
from schemas.errors import NotFound

MOST_EVENTS, MOST_NOTIFICATIONS, MOST_DELIVERIES = 50, 100, 200
"""The latest of each that are read; the deliveries are of one event."""


@dataclass(frozen=True, slots=True)
class PaymentTrace:
    """A payment and what happened to it; `payment` is None while only webhooks have reported it.

    Events and notifications are the latest, newest first; `truncated`: there are more. `deliveries` are those of each
    event, by its id.
    """

    payment: PaymentView | None
    refresh: RefreshState
    notifications: Sequence[StoredNotification]
    events: Sequence[EventView]
    deliveries: Mapping[str, Sequence[DeliveryView]]
    truncated: bool


async def trace_payment(context: Context, merchant: str, imp_uid: str, *, read_only: bool) -> PaymentTrace:
    """What is recorded about a payment. Raises `NotFound` where there is nothing."""
    ledger = context.ledger
    payment, notified, recorded, refresh = await asyncio.gather(
        find_payment(context, merchant, imp_uid),
        ledger.notifications.list(PageRequest(MOST_NOTIFICATIONS), merchant=merchant, imp_uid=imp_uid),
        list_events(context, PageRequest(MOST_EVENTS), merchant=merchant, imp_uid=imp_uid, read_only=read_only),
        ledger.payments.refresh_state(merchant, imp_uid),
    )
    if payment is None and not notified.rows and not refresh.due:
        raise NotFound(f"there is no payment {imp_uid!r} of merchant {merchant!r}")
    pages = await asyncio.gather(
        *(ledger.deliveries.list(PageRequest(MOST_DELIVERIES), event=event.id) for event in recorded.rows)
    )
    return PaymentTrace(
        payment=payment,
        refresh=refresh,
        notifications=notified.rows,
        events=recorded.rows,
        deliveries={event.id: page.rows for event, page in zip(recorded.rows, pages, strict=True)},
        truncated=recorded.next_cursor is not None or len(notified.rows) == MOST_NOTIFICATIONS,
    )
