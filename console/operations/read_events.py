"""Events as operators see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from console.context import Context
from console.operations import from_history
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.events import StoredEvent
from schemas import wire
from schemas.endpoints.endpoint import ENDPOINT_TYPES
from schemas.endpoints.url_masking import masked_url
from schemas.errors import NotFound


@dataclass(frozen=True, slots=True)
class EventView:
    """An event: `body` is the callback's body as plain values, numbers digit by digit; `recorded_at` in UNIX seconds.

    A `silent` event was recorded without delivery.
    """

    body: Mapping[str, Any]
    recorded_at: float
    silent: bool

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.body["id"])

    @property
    def type(self) -> str:
        """Its type, e.g. `payment.paid`."""
        return str(self.body["type"])

    @property
    def timestamp(self) -> str:
        """When the fact happened, in RFC 3339."""
        return str(self.body["timestamp"])

    @property
    def data(self) -> Mapping[str, Any]:
        """The payment or endpoint as the event describes it."""
        data: Mapping[str, Any] = self.body["data"]
        return data


def event_view(event: StoredEvent, *, read_only: bool = False) -> EventView:
    """A stored event as it is shown; endpoint URLs are masked for a `read_only` operator."""
    body = wire.loads(event.body)
    return EventView(masked_callback(body) if read_only else body, event.recorded_at, event.silent)


def masked_callback(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A callback's body for read-only operators: an endpoint's URL is masked, as it may hold secrets."""
    if body["type"] not in ENDPOINT_TYPES:
        return body
    return {**body, "data": {**body["data"], "url": masked_url(body["data"]["url"])}}


async def find_event(context: Context, event_id: str) -> StoredEvent:
    """One event, wherever it is. Raises `NotFound`."""
    try:
        return await context.ledger.events.get(event_id)
    except NotFound:
        return from_history.event(await context.history.events.get(event_id))


async def read_event(context: Context, event_id: str, *, read_only: bool) -> EventView:
    """One event as it is shown. Raises `NotFound`."""
    return event_view(await find_event(context, event_id), read_only=read_only)


async def list_events(
    context: Context,
    part: PageRequest,
    *,
    merchant: str | None = None,
    imp_uid: str | None = None,
    type_: str | None = None,
    read_only: bool,
) -> HistoryPage[EventView]:
    """Events, newest recorded first. Raises `Invalid` and `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.events.list(part, merchant=merchant, imp_uid=imp_uid, type_=type_)
    rows = tuple(event_view(from_history.event(row), read_only=read_only) for row in page.rows)
    return HistoryPage(rows, page.next_cursor, behind)
