"""Attempt a delivery now."""

from __future__ import annotations

from console.context import Context
from ledger.deliveries import DeliveryView


async def retry_delivery(context: Context, delivery_id: str) -> DeliveryView:
    """Have a delivery attempted now, whatever its lane waits for; as it is then. Raises `NotFound` and `Conflict`."""
    ledger = context.ledger
    ledger.queue.kick_all([await ledger.deliveries.retry(delivery_id)])
    return await ledger.deliveries.get(delivery_id)
