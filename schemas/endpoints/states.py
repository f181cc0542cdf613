"""The states of endpoints and deliveries, as operators see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from schemas.reasons import Reason

EndpointState = Literal["enabled", "disabled", "deleted"]
DeliveryState = Literal["pending", "delivered", "dead", "held", "discarded"]

_UNSETTLED: Mapping[EndpointState, DeliveryState] = {"enabled": "pending", "disabled": "held", "deleted": "discarded"}


def shown_state(stored: str, endpoint: EndpointState) -> DeliveryState:
    """The state that operators see of a delivery with this `stored` state. A pending delivery is shown as held or
    discarded if its endpoint is disabled or deleted, so that disabling an endpoint changes no delivery."""
    if stored == "pending":
        return _UNSETTLED[endpoint]
    return next(state for state in get_args(DeliveryState) if state == stored)


def withheld_because(shown: DeliveryState, *, was_pending: bool, disabled_reason: Reason | None) -> Reason | None:
    """Why a delivery that `shown_state` shows as held or discarded is not sent: its endpoint is disabled (for
    `disabled_reason`), or was deleted while the delivery was pending. None for all others."""
    if shown == "held":
        return Reason.of("endpoint_disabled", disabled_reason)
    return Reason.of("endpoint_deleted") if shown == "discarded" and was_pending else None
