"""Why an endpoint has, has not, or has not yet received an event."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from console.context import Context
from console.operations import from_history
from console.operations.read_deliveries import read_delivery
from ledger.deliveries import DeliveryView
from ledger.endpoints import RegisteredEndpoint
from ledger.events import StoredEvent
from ledger.heartbeats import running
from schemas.endpoints.delivery_id import delivery_id_of
from schemas.endpoints.endpoint import wants
from schemas.errors import HistoryUnavailable, NotFound
from schemas.reasons import Reason

Got = Literal["yes", "not yet", "no"]


@dataclass(frozen=True, slots=True)
class DeliveryExplanation:
    """Whether an endpoint got an event, and why; `delivery` is None if the event was never for this endpoint."""

    event: str
    endpoint: str
    got: Got
    reason: Reason
    delivery: DeliveryView | None


async def explain_delivery(context: Context, event_id: str, endpoint_id: str) -> DeliveryExplanation:
    """Why this endpoint has, has not, or has not yet received this event. Raises `NotFound`, and `HistoryUnavailable`
    if only history can know it."""
    event, found = await _event_and_delivery(context, event_id, endpoint_id)
    return await explain(context, event, endpoint_id, found)


async def explain(
    context: Context, event: StoredEvent, endpoint_id: str, found: DeliveryView | None
) -> DeliveryExplanation:
    """The same for an event that was read before, with its delivery to this endpoint, if there is one. Raises
    `NotFound`."""
    registered = await _registered(context, endpoint_id)
    if found is None:
        return DeliveryExplanation(event.id, endpoint_id, "no", never_meant(event, registered), None)
    got, reason = explained(found, registered.disabled_at, await _standstill(context, found))
    return DeliveryExplanation(event.id, endpoint_id, got, reason, found)


async def _event_and_delivery(
    context: Context, event_id: str, endpoint_id: str
) -> tuple[StoredEvent, DeliveryView | None]:
    delivery_id = delivery_id_of(event_id, endpoint_id)
    try:
        event = await context.ledger.events.get(event_id)
    except NotFound:
        event = from_history.event(await context.history.events.get(event_id))
    else:
        # A ledger that has an event has its deliveries. History knows more only if Redis came back with an old copy.
        with suppress(HistoryUnavailable, NotFound):
            return event, await read_delivery(context, delivery_id)
        return event, None
    try:
        return event, await read_delivery(context, delivery_id)
    except NotFound:
        return event, None


async def _registered(context: Context, endpoint_id: str) -> RegisteredEndpoint:
    """An endpoint, even if it was deleted long ago. Raises `NotFound`."""
    registered = (await context.ledger.endpoints.some([endpoint_id])).get(endpoint_id)
    if registered is not None:
        return registered
    return from_history.endpoint(await context.history.endpoints.get(endpoint_id), await context.ledger.now())


async def _standstill(context: Context, delivery: DeliveryView) -> Reason | None:
    """Why nothing at all is sent, if a due delivery waits for that; else None."""
    ledger, due = context.ledger, delivery.next_attempt_at
    if delivery.state != "pending" or due is None or due > await ledger.now():
        return None
    full = (await ledger.memory()).trouble
    if full is not None:
        return full
    broken = (await context.ledger.acl_watch.recent()).broken
    if broken is not None:
        return broken.reason
    return None if running(await ledger.heartbeats.all()) else Reason.of("no_worker")


def explained(
    delivery: DeliveryView, disabled_at: float | None, standstill: Reason | None = None
) -> tuple[Got, Reason]:
    """Whether a delivery has arrived, and why. `standstill` is the reason why nothing at all is sent."""
    attempts = len(delivery.attempts)
    got: Got
    taken = [attempt.at for attempt in delivery.attempts if attempt.succeeded]
    match delivery.state:
        case "delivered":
            if not taken:
                return "yes", Reason.of("delivered_unseen", delivery.reason, attempts=attempts)
            return "yes", Reason.of("delivered", delivery.reason, at=taken[-1], attempts=attempts)
        case "pending":
            waits = delivery.reason if standstill is None else standstill.because(delivery.reason)
            cause = waits or Reason.of("waits_for_worker")
            got, reason = "not yet", Reason.of("waiting", cause, attempts=attempts, due=delivery.next_attempt_at)
        case "held":
            got, reason = "not yet", Reason.of("held_until_enabled", delivery.reason, since=disabled_at)
        case "dead":
            got, reason = "no", Reason.of("dead_until_retried", delivery.reason or Reason.of("given_up"))
        case _:
            got, reason = "no", delivery.reason or Reason.of("discarded")
    if not taken:
        return got, reason
    return "yes", Reason.of("delivered_requested_again", reason, at=taken[-1])


def never_meant(event: StoredEvent, registered: RegisteredEndpoint) -> Reason:
    """Why an event was never for an endpoint."""
    endpoint = registered.endpoint
    if event.about == endpoint.id:
        return Reason.of("about_itself")
    if registered.state == "deleted":
        return Reason.of("endpoint_deleted")
    if event.merchant != endpoint.merchant:
        return Reason.of("other_merchant", event_merchant=event.merchant, endpoint_merchant=endpoint.merchant)
    if not wants(endpoint.types, event.type):
        return Reason.of("not_subscribed", event_type=event.type)
    if event.silent:
        return Reason.of("recorded_silently")
    if event.recorded_at < endpoint.created_at:
        return Reason.of("endpoint_added_later", at=endpoint.created_at)
    return Reason.of("not_subscribed_then", event_type=event.type)
