"""Finds everything that a text of an operator may mean: an order number, an id, something that a buyer typed."""

from __future__ import annotations

from dataclasses import dataclass

from console.context import Context
from console.operations import from_history
from console.operations.read_notifications import read_notification
from console.operations.read_payments import PaymentView, as_shown
from console.operations.wait_for_history import wait_for_history
from ledger.notifications import StoredNotification


@dataclass(frozen=True, slots=True)
class Found:
    """The payments, ids of events and deliveries, and notifications that a text may mean. Payments whose whole number
    it is come first, then the others, newest first. `next_cursor` leads to older payments whose buyer typed the text.
    """

    payments: tuple[PaymentView, ...]
    events: tuple[str, ...]
    deliveries: tuple[str, ...]
    notifications: tuple[StoredNotification, ...]
    next_cursor: str | None

    @property
    def count(self) -> int:
        """How many things were found."""
        return len(self.payments) + len(self.events) + len(self.deliveries) + len(self.notifications)


async def search_history(context: Context, text: str, *, limit: int, cursor: str | None = None) -> Found:
    """Everything that `text` may mean. Raises `Invalid` for a cursor that no search gave, and `HistoryUnavailable`."""
    await wait_for_history(context)
    hits = await context.history.find(text, limit=limit, cursor=cursor)
    return Found(
        payments=tuple(as_shown(from_history.payment(row)) for row in hits.payments),
        events=hits.events,
        deliveries=hits.deliveries,
        notifications=tuple([await read_notification(context, identity) for identity in hits.notifications]),
        next_cursor=hits.next_cursor,
    )
