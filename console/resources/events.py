"""Events: what was recorded, and why an endpoint has or has not got it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from console.http.models import Listing, Merchant, Moment, Nothing, Out, Parameters, Time
from console.http.operation import Call, Operation, OperationResult
from ledger.events import StoredEvent
from ledger.pages import PageRequest
from schemas import wire
from schemas.endpoints.endpoint import ENDPOINT_TYPES, PAYMENT_TYPES, TEST_TYPE
from schemas.endpoints.url_masking import masked_url
from schemas.times import rfc3339

Type = Literal[(*PAYMENT_TYPES, *ENDPOINT_TYPES, TEST_TYPE)]  # type: ignore[valid-type]  # the names are in one place


class EventOut(Out):
    """An event: the callback's body, and when it was recorded."""

    id: str
    type: str
    timestamp: Time
    data: dict[str, Any]
    recorded_at: Time
    silent: bool = Field(description="recorded without delivery")


class EventList(Out):
    """Some events."""

    data: list[EventOut]
    next_cursor: str | None


class EventListing(Listing):
    """Which events; the window is [since, until)."""

    merchant: Merchant | None = None
    imp_uid: str | None = Field(None, min_length=1, max_length=200)
    type: Type | None = None
    since: Moment | None = None
    until: Moment | None = None


def event_out(event: StoredEvent) -> dict[str, Any]:
    """An event as operators see it."""
    return {**wire.loads(event.body), "recorded_at": rfc3339(event.recorded_at), "silent": event.silent}


def for_readers(body: dict[str, Any]) -> dict[str, Any]:
    """A callback's body for those who may only look: one about an endpoint has its URL without secrets."""
    if body["type"] not in ENDPOINT_TYPES:
        return body
    return {**body, "data": {**body["data"], "url": masked_url(body["data"]["url"])}}


def _shown(call: Call[Any, Any], event: StoredEvent) -> dict[str, Any]:
    return for_readers(event_out(event)) if call.read_only else event_out(event)


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One event."""
    return OperationResult(_shown(call, await call.context.ledger.events.get(call.path["id"])))


async def list_(call: Call[EventListing, Nothing]) -> OperationResult:
    """Events, newest recorded first."""
    query = call.query
    page = await call.context.ledger.events.list(
        PageRequest(query.limit, query.cursor, query.since, query.until),
        merchant=query.merchant,
        imp_uid=query.imp_uid,
        type_=query.type,
    )
    return OperationResult({"data": [_shown(call, row) for row in page.rows], "next_cursor": page.next_cursor})


OPERATIONS = (
    Operation("GET", "/v1/events", "List events, newest recorded first", list_, {200: EventList}, query=EventListing),
    Operation("GET", "/v1/events/{id}", "Show an event", get, {200: EventOut}, problems=(404,)),
)
