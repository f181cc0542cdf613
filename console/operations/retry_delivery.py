"""Attempt a delivery now."""

from __future__ import annotations

from console.context import Context
from console.operations.read_deliveries import read_delivery
from ledger.deliveries import DeliveryView
from schemas.endpoints.delivery_id import event_and_endpoint


async def retry_delivery(context: Context, delivery_id: str) -> DeliveryView:
    """Have a delivery attempted now, even in a paused lane; returns it as it is then. A delivery that has left the
    ledger is put back first. Raises `NotFound`, `Conflict`, and `HistoryUnavailable` if only history can know it."""
    event, _ = event_and_endpoint(delivery_id)
    await context.ledger.cold.fetch_event(context.history.whole_payments, event)
    await context.ledger.deliveries.retry(delivery_id)
    return await read_delivery(context, delivery_id)
