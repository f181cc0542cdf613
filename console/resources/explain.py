"""Why an endpoint has, has not, or not yet got an event."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from console.http.models import Nothing, Out, Parameters, ReasonCode, ReasonText
from console.http.operation import Call, Operation, OperationResult
from console.resources.deliveries import DeliveryOut, delivery_out
from ledger.acl_watch import AclWatch
from ledger.deliveries import DeliveryView
from ledger.endpoints import RegisteredEndpoint
from ledger.events import StoredEvent
from ledger.heartbeats import running
from ledger.ledger import Ledger
from ledger.memory import memory
from ledger.pages import PageRequest
from schemas.endpoints.delivery import Attempt
from schemas.endpoints.endpoint import wants
from schemas.errors import NotFound
from schemas.reasons import Reason

Got = Literal["yes", "not yet", "no"]


class ExplainParameters(Parameters):
    """Which endpoint."""

    endpoint: str = Field(min_length=1, max_length=200)


class Explanation(Out):
    """Why, in words and as a code; `delivery` is null where the event was never for this endpoint."""

    event: str
    endpoint: str
    got: Got
    reason: ReasonText
    reason_code: ReasonCode
    delivery: DeliveryOut | None


async def explain(call: Call[ExplainParameters, Nothing]) -> OperationResult:
    """Why this endpoint has, has not, or not yet got this event."""
    ledger, endpoint = call.context.ledger, call.query.endpoint
    event = await ledger.events.get(call.path["id"])
    registered = (await ledger.endpoints.some([endpoint])).get(endpoint)
    if registered is None:
        raise NotFound(Reason.of("not_found", kind="endpoint", id=endpoint))
    found = (await ledger.deliveries.list(PageRequest(1), event=event.id, endpoint=endpoint)).rows
    if found:
        got, reason = told(found[0], registered.disabled_at, await _standstill(call.context.watch, ledger, found[0]))
    else:
        got, reason = "no", never(event, registered)
    delivery = delivery_out(found[0]) if found else None
    return OperationResult(
        Explanation(
            event=event.id,
            endpoint=endpoint,
            got=got,
            reason=reason,
            reason_code=reason.decisive,
            delivery=delivery,
        )
    )


async def _standstill(watch: AclWatch, ledger: Ledger, sent: DeliveryView) -> Reason | None:
    """Why nothing is sent at all, where that is what a delivery waits for."""
    due = sent.next_attempt_at
    if sent.state != "pending" or due is None or due > await ledger.store.now():
        return None
    full = (await memory(ledger.store)).trouble
    if full is not None:
        return full
    broken = (await watch.recent()).broken
    if broken is not None:
        return broken.reason
    return None if running(await ledger.heartbeats.all()) else Reason.of("no_worker")


def told(sent: DeliveryView, disabled_at: float | None, standstill: Reason | None = None) -> tuple[Got, Reason]:
    """Whether the endpoint has got a delivery, and why. `standstill` is why nothing is sent at all."""
    attempts = len(sent.attempts)
    got: Got
    taken = [attempt.at for attempt in sent.attempts if _is_taken(attempt)]
    match sent.state:
        case "delivered":
            if not taken:
                return "yes", Reason.of("delivered_unseen", sent.reason, attempts=attempts)
            return "yes", Reason.of("delivered", sent.reason, at=taken[-1], attempts=attempts)
        case "pending":
            waits = sent.reason if standstill is None else standstill.because(sent.reason)
            cause = waits or Reason.of("waits_for_worker")
            got, reason = "not yet", Reason.of("waiting", cause, attempts=attempts, due=sent.next_attempt_at)
        case "held":
            got, reason = "not yet", Reason.of("held_until_enabled", sent.reason, since=disabled_at)
        case "dead":
            got, reason = "no", Reason.of("dead_until_retried", sent.reason or Reason.of("given_up"))
        case _:
            got, reason = "no", sent.reason or Reason.of("discarded")
    if not taken:
        return got, reason
    return "yes", Reason.of("delivered_requested_again", reason, at=taken[-1])


def _is_taken(attempt: Attempt) -> bool:
    return attempt.error is None and attempt.status_code is not None and 200 <= attempt.status_code < 300


def never(event: StoredEvent, registered: RegisteredEndpoint) -> Reason:
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


OPERATIONS = (
    Operation(
        "GET", "/v1/events/{id}/explain", "Why an endpoint has or has not got it", explain, {200: Explanation},
        query=ExplainParameters, problems=(404,),
    ),
)  # fmt: skip
