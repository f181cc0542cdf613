"""Why an endpoint has, has not, or has not yet received an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from console.context import Context
from ledger.deliveries import DeliveryView
from ledger.endpoints import RegisteredEndpoint
from ledger.events import StoredEvent
from ledger.heartbeats import running
from ledger.pages import PageRequest
from schemas.endpoints.endpoint import wants
from schemas.errors import NotFound
from schemas.times import rfc3339

Got = Literal["yes", "not yet", "no"]


@dataclass(frozen=True, slots=True)
class DeliveryExplanation:
    """Whether an endpoint got an event, and why; `delivery` is None where the event was never for this endpoint."""

    event: str
    endpoint: str
    got: Got
    reason: str
    delivery: DeliveryView | None


async def explain_delivery(context: Context, event_id: str, endpoint_id: str) -> DeliveryExplanation:
    """Why this endpoint has, has not, or has not yet received this event. Raises `NotFound`."""
    ledger = context.ledger
    event = await ledger.events.get(event_id)
    registered = (await ledger.endpoints.some([endpoint_id])).get(endpoint_id)
    if registered is None:
        raise NotFound(f"there is no endpoint {endpoint_id!r}")
    found = (await ledger.deliveries.list(PageRequest(1), event=event.id, endpoint=endpoint_id)).rows
    if not found:
        return DeliveryExplanation(event.id, endpoint_id, "no", never_meant(event, registered), None)
    got, reason = explained(found[0], registered.disabled_at, await _standstill(context, found[0]))
    return DeliveryExplanation(event.id, endpoint_id, got, reason, found[0])


async def _standstill(context: Context, delivery: DeliveryView) -> str | None:
    """Why nothing is sent at all, where that is what a delivery waits for."""
    ledger, due = context.ledger, delivery.next_attempt_at
    if delivery.state != "pending" or due is None or due > await ledger.now():
        return None
    full = (await ledger.memory()).trouble
    if full is not None:
        return full
    broken = (await context.watch.recent()).broken
    if broken is not None:
        return str(broken)
    return None if running(await ledger.heartbeats.all()) else "no worker runs"


def explained(delivery: DeliveryView, disabled_at: float | None, standstill: str | None = None) -> tuple[Got, str]:
    """Whether a delivery has arrived, and why. `standstill` is why nothing is sent at all."""
    count = len(delivery.attempts)
    attempts = "1 attempt" if count == 1 else f"{count} attempts"
    got: Got
    taken = [attempt.at for attempt in delivery.attempts if attempt.succeeded]
    match delivery.state:
        case "delivered":
            at = rfc3339(taken[-1]) if taken else "an unknown time"
            return "yes", f"delivered at {at}, after {attempts}" + (f"; {delivery.reason}" if delivery.reason else "")
        case "pending":
            next_at = delivery.next_attempt_at
            due = f"; the next is due at {rfc3339(next_at)}" if next_at is not None else ""
            waits = "; ".join(filter(None, (standstill, delivery.reason))) or "it waits for a worker"
            got, reason = "not yet", f"{waits} ({attempts} so far{due})"
        case "held":
            since = f", since {rfc3339(disabled_at)}" if disabled_at is not None else ""
            got, reason = "not yet", f"{delivery.reason}{since}; enabling it releases what is held"
        case "dead":
            got, reason = "no", f"{delivery.reason or 'given up'}; retry it when the endpoint is well again"
        case _:
            got, reason = "no", delivery.reason or "discarded"
    return ("yes", f"delivered at {rfc3339(taken[-1])}; asked for again since: {reason}") if taken else (got, reason)


def never_meant(event: StoredEvent, registered: RegisteredEndpoint) -> str:
    """Why an event was never for an endpoint."""
    endpoint = registered.endpoint
    if event.about == endpoint.id:
        return "an endpoint never hears of itself"
    if registered.state == "deleted":
        return "the endpoint was deleted"
    if event.merchant != endpoint.merchant:
        return f"the event is of merchant {event.merchant}, the endpoint of merchant {endpoint.merchant}"
    if not wants(endpoint.types, event.type):
        return f"the endpoint does not subscribe to {event.type}"
    if event.silent:
        return "the event was recorded silently: the fact is older than the merchant here, or was found late"
    if event.recorded_at < endpoint.created_at:
        return f"the endpoint was added at {rfc3339(endpoint.created_at)}, after the event; a replay sends it"
    return f"the endpoint did not subscribe to {event.type} when the event was recorded"
