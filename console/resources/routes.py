"""All there is under /v1."""

from __future__ import annotations

from console.http.operation import Operation
from console.resources import (
    audit,
    cancellations,
    deliveries,
    delivery_explanation,
    encryption_keys,
    endpoint_test,
    endpoints,
    erasure,
    events,
    exports,
    merchants,
    notifications,
    orders,
    payments,
    reconciliations,
    refresh,
    replays,
    stats,
    tokens,
)

OPERATIONS: tuple[Operation, ...] = (
    *merchants.OPERATIONS,
    *endpoints.OPERATIONS,
    *endpoint_test.OPERATIONS,
    *payments.OPERATIONS,
    *refresh.OPERATIONS,
    *cancellations.OPERATIONS,
    *erasure.OPERATIONS,
    *orders.OPERATIONS,
    *events.OPERATIONS,
    *delivery_explanation.OPERATIONS,
    *deliveries.OPERATIONS,
    *replays.OPERATIONS,
    *reconciliations.OPERATIONS,
    *notifications.OPERATIONS,
    *exports.OPERATIONS,
    *audit.OPERATIONS,
    *stats.OPERATIONS,
    *tokens.OPERATIONS,
    *encryption_keys.OPERATIONS,
)
