"""Attempt a delivery now."""

from __future__ import annotations

from console.context import Context
from ledger.deliveries import DeliveryView


async def retry_delivery(context: Context, delivery_id: str) -> DeliveryView:
    """Have a delivery attempted now, whatever its lane waits for; as it is then. Raises `NotFound` and `Conflict`."""
    await context.ledger.deliveries.retry(delivery_id)
    return await context.ledger.deliveries.get(delivery_id)
