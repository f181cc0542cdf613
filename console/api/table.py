"""All there is under /v1."""

from __future__ import annotations

from console.api import deliveries, endpoints, events, merchants, notifications, payments, stats
from console.api.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *merchants.OPERATIONS,
    *endpoints.OPERATIONS,
    *payments.OPERATIONS,
    *events.OPERATIONS,
    *deliveries.OPERATIONS,
    *notifications.OPERATIONS,
    *stats.OPERATIONS,
)
