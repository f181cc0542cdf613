"""Everything that is recorded about one payment: webhooks, events, and the deliveries of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.context import Context
from console.operations.read_deliveries import deliveries_of_events
from console.operations.read_events import EventView
from console.operations.read_notifications import list_notifications
from console.operations.read_payments import PaymentView, PaymentWithEvents, read_payment
from history.pages import PageRequest
from ledger.deliveries import DeliveryView
from ledger.notifications import StoredNotification
from ledger.payments import RefreshState
from schemas.errors import HistoryUnavailable, NotFound
from schemas.reasons import Reason

MOST_EVENTS, MOST_NOTIFICATIONS, MOST_DELIVERIES = 50, 100, 200
"""The most of each that are read, the latest first; the deliveries are those of one event."""


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


async def trace_payment(context: Context, merchant: str, imp_uid: str) -> PaymentTrace:
    """Everything that is recorded about a payment. Raises `NotFound` if there is nothing."""
    payment, notifications, refresh = await asyncio.gather(
        _found(context, merchant, imp_uid),
        _notifications(context, merchant, imp_uid),
        context.ledger.payments.refresh_state(merchant, imp_uid),
    )
    if payment is None and not notifications and not refresh.due:
        raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
    recorded = () if payment is None else payment.events
    events = recorded[-MOST_EVENTS:][::-1]
    return PaymentTrace(
        payment=payment,
        refresh=refresh,
        notifications=notifications,
        events=events,
        deliveries=await deliveries_of_events(context, [event.id for event in events], MOST_DELIVERIES),
        truncated=not _begins(events) or len(notifications) == MOST_NOTIFICATIONS,
    )


def _begins(events: Sequence[EventView]) -> bool:
    """Whether the payment's first event is among these."""
    return not events or events[-1].data["previous_status"] is None


async def _found(context: Context, merchant: str, imp_uid: str) -> PaymentWithEvents | None:
    try:
        return await read_payment(context, merchant, imp_uid)
    except NotFound:
        return None


async def _notifications(context: Context, merchant: str, imp_uid: str) -> Sequence[StoredNotification]:
    """The latest notifications of a payment; while history is away, those that the ledger still has."""
    try:
        part = PageRequest(MOST_NOTIFICATIONS)
        return (await list_notifications(context, part, merchant=merchant, imp_uid=imp_uid)).rows
    except HistoryUnavailable:
        return await context.ledger.notifications.of_payment(merchant, imp_uid, MOST_NOTIFICATIONS)
