"""All there is under /v1."""

from __future__ import annotations

from console.api import (
    cancellations,
    deliveries,
    endpoints,
    events,
    explain,
    keys,
    merchants,
    notifications,
    orders,
    payments,
    reconciliations,
    refresh,
    replays,
    stats,
    trial,
)
from console.api.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    *merchants.OPERATIONS,
    *endpoints.OPERATIONS,
    *trial.OPERATIONS,
    *payments.OPERATIONS,
    *refresh.OPERATIONS,
    *cancellations.OPERATIONS,
    *orders.OPERATIONS,
    *events.OPERATIONS,
    *explain.OPERATIONS,
    *deliveries.OPERATIONS,
    *replays.OPERATIONS,
    *reconciliations.OPERATIONS,
    *notifications.OPERATIONS,
    *stats.OPERATIONS,
    *keys.OPERATIONS,
)
