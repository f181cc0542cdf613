"""Why an endpoint has, has not, or not yet got an event."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from console.http.models import Nothing, Out, Parameters
from console.http.operation import Call, Operation, OperationResult
from console.resources.deliveries import DeliveryOut, delivery_out
from ledger.acl_watch import AclWatch
from ledger.deliveries import DeliveryView
from ledger.endpoints import RegisteredEndpoint
from ledger.events import StoredEvent
from ledger.heartbeats import running
from ledger.ledger import Ledger
from ledger.pages import PageRequest
from schemas.endpoints.delivery import Attempt
from schemas.endpoints.endpoint import wants
from schemas.errors import NotFound
from schemas.times import rfc3339

Got = Literal["yes", "not yet", "no"]


class ExplainParameters(Parameters):
    """Which endpoint."""

    endpoint: str = Field(min_length=1, max_length=200)


class Explanation(Out):
    """Why, in words; `delivery` is null where the event was never for this endpoint."""

    event: str
    endpoint: str
    got: Got
    reason: str
    delivery: DeliveryOut | None


async def explain(call: Call[ExplainParameters, Nothing]) -> OperationResult:
    """Why this endpoint has, has not, or not yet got this event."""
    ledger, endpoint = call.context.ledger, call.query.endpoint
    event = await ledger.events.get(call.path["id"])
    registered = (await ledger.endpoints.some([endpoint])).get(endpoint)
    if registered is None:
        raise NotFound(f"there is no endpoint {endpoint!r}")
    found = (await ledger.deliveries.list(PageRequest(1), event=event.id, endpoint=endpoint)).rows
    if found:
        got, reason = told(found[0], registered.disabled_at, await _standstill(call.context.watch, ledger, found[0]))
    else:
        got, reason = "no", never(event, registered)
    delivery = delivery_out(found[0]) if found else None
    return OperationResult(Explanation(event=event.id, endpoint=endpoint, got=got, reason=reason, delivery=delivery))


async def _standstill(watch: AclWatch, ledger: Ledger, sent: DeliveryView) -> str | None:
    """Why nothing is sent at all, where that is what a delivery waits for."""
    due = sent.next_attempt_at
    if sent.state != "pending" or due is None or due > await ledger.now():
        return None
    full = (await ledger.memory()).trouble
    if full is not None:
        return full
    broken = (await watch.recent()).broken
    if broken is not None:
        return str(broken)
    return None if running(await ledger.heartbeats.all()) else "no worker runs"


def told(sent: DeliveryView, disabled_at: float | None, standstill: str | None = None) -> tuple[Got, str]:
    """What became of a delivery, in words. `standstill` is why nothing is sent at all."""
    count = len(sent.attempts)
    attempts = "1 attempt" if count == 1 else f"{count} attempts"
    got: Got
    taken = [attempt.at for attempt in sent.attempts if _is_taken(attempt)]
    match sent.state:
        case "delivered":
            at = rfc3339(taken[-1]) if taken else "an unknown time"
            return "yes", f"delivered at {at}, after {attempts}" + (f"; {sent.reason}" if sent.reason else "")
        case "pending":
            due = f"; the next is due at {rfc3339(sent.next_attempt_at)}" if sent.next_attempt_at is not None else ""
            waits = "; ".join(filter(None, (standstill, sent.reason))) or "it waits for a worker"
            got, reason = "not yet", f"{waits} ({attempts} so far{due})"
        case "held":
            since = f", since {rfc3339(disabled_at)}" if disabled_at is not None else ""
            got, reason = "not yet", f"{sent.reason}{since}; enabling it releases what is held"
        case "dead":
            got, reason = "no", f"{sent.reason or 'given up'}; retry it when the endpoint is well again"
        case _:
            got, reason = "no", sent.reason or "discarded"
    return ("yes", f"delivered at {rfc3339(taken[-1])}; asked for again since: {reason}") if taken else (got, reason)


def _is_taken(attempt: Attempt) -> bool:
    return attempt.error is None and attempt.status_code is not None and 200 <= attempt.status_code < 300


def never(event: StoredEvent, registered: RegisteredEndpoint) -> str:
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


OPERATIONS = (
    Operation(
        "GET", "/v1/events/{id}/explain", "Why an endpoint has or has not got it", explain, {200: Explanation},
        query=ExplainParameters, problems=(404,),
    ),
)  # fmt: skip
