"""`/v1/events`: what was recorded."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from console.http import acts
from console.http.models import Listing, ListOut, Merchant, Nothing, Out, Parameters, Time
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.read_events import list_events, read_event
from schemas.endpoints.endpoint import EVENT_TYPES, TEST_TYPE

Type = Literal[(*EVENT_TYPES, TEST_TYPE)]  # type: ignore[valid-type]  # the names are in one place


class EventOut(Out):
    """An event: the callback's body, and when it was recorded."""

    id: str
    type: str
    timestamp: Time
    data: dict[str, Any]
    recorded_at: Time
    silent: bool = Field(description="recorded without delivery")


class EventList(ListOut[EventOut]):
    """Some events."""


class EventListing(Listing):
    """Which events."""

    merchant: Merchant | None = None
    imp_uid: str | None = Field(None, min_length=1, max_length=200)
    type: Type | None = None


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One event."""
    event = await read_event(call.context, call.path["id"], read_only=call.read_only)
    return OperationResult(EventOut.model_validate(event))


async def list_(call: Call[EventListing, Nothing]) -> OperationResult:
    """Events, newest recorded first."""
    query = call.query
    page = await list_events(
        call.context,
        query.part,
        merchant=query.merchant,
        imp_uid=query.imp_uid,
        type_=query.type,
        read_only=call.read_only,
    )
    return listed(EventList, page)


OPERATIONS = (
    Operation("GET", "/v1/events", "List events, newest recorded first", list_, {200: EventList}, query=EventListing,
              audited=acts.EVENT_LIST),
    Operation("GET", "/v1/events/{id}", "Show an event", get, {200: EventOut}, problems=(404,),
              audited=acts.EVENT_READ),
)  # fmt: skip
