"""The timeline of one payment, oldest first, put together from everything that is recorded about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from console.operations.read_events import EventView
from console.operations.read_payments import PaymentView
from console.operations.trace_payment import PaymentTrace
from console.web.alert_levels import Level, level
from ledger.deliveries import DeliveryView
from ledger.notifications import StoredNotification
from schemas.payments.cancellations import CancellationRequest

Kind = Literal["notified", "requested", "recorded", "closed", "refreshed"]
_ORDER: tuple[Kind, ...] = get_args(Kind)
"""How entries of the same time are sorted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened `at` (UNIX seconds): a webhook came (`notified`), a cancellation was `requested` or
    `closed`, an event was `recorded`, a refresh found nothing new (`refreshed`). `row` is the object of the entry; an
    event has its `deliveries`."""

    at: float
    kind: Kind
    level: Level
    row: StoredNotification | EventView | CancellationRequest | PaymentView
    deliveries: Sequence[DeliveryView] = field(default=())

    @property
    def key(self) -> str:
        """A key that is unique in the timeline."""
        return f"{self.kind}-{self.at if isinstance(self.row, PaymentView) else self.row.id}"

    @property
    def _place(self) -> tuple[float, int, int]:
        sequence = self.row.data.get("sequence", 0) if isinstance(self.row, EventView) else 0
        return self.at, _ORDER.index(self.kind), sequence


def timeline(trace: PaymentTrace) -> list[Entry]:
    """Everything that is known to have happened to a payment."""
    entries = [Entry(row.received_at, "notified", level("outcome", row.outcome), row) for row in trace.notifications]
    entries += [
        Entry(row.recorded_at, "recorded", level("event", row.type), row, trace.deliveries.get(row.id, ()))
        for row in trace.events
    ]
    if trace.payment is not None:
        for request in trace.payment.cancellations:
            if request.requested_at:
                entries.append(Entry(request.requested_at, "requested", "wait", request))
            if request.closed_at:
                entries.append(Entry(request.closed_at, "closed", level("cancellation", request.state), request))
        entries += _last_refresh(trace.payment, trace.events)
    return sorted(entries, key=lambda entry: entry._place)


def _last_refresh(payment: PaymentView, events: Sequence[EventView]) -> list[Entry]:
    """The last refresh, if it came after the latest event."""
    at = payment.stored.fetched_at
    if not at:
        return []
    latest = max((row.recorded_at for row in events), default=0.0)
    return [Entry(at, "refreshed", "off", payment)] if at > latest + 1 else []


def undelivered(deliveries: Iterable[DeliveryView]) -> list[DeliveryView]:
    """The deliveries that have not arrived and could: dead ones first, then held, then those that wait."""
    order = {"dead": 0, "held": 1, "pending": 2}
    rows = [row for row in deliveries if row.state in order]
    return sorted(rows, key=lambda row: (order[row.state], row.created_at))
