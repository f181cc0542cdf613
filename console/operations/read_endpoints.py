"""Endpoints as operators see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson

from console.context import Context
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.endpoints import RegisteredEndpoint
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.url_masking import masked_url


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint with its health; for read-only operators its URL is masked. The values of its headers are never
    shown, only `header_names`."""

    stored: RegisteredEndpoint
    header_names: tuple[str, ...]

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint without its health."""
        return self.stored.endpoint


def endpoint_view(context: Context, registered: RegisteredEndpoint, *, read_only: bool) -> EndpointView:
    """A registered endpoint as it is shown. Raises `Unreadable` if no key opens its headers."""
    endpoint = registered.endpoint
    names = tuple(orjson.loads(context.sealer.open(endpoint.headers))) if endpoint.headers else ()
    if read_only:
        registered = replace(registered, endpoint=replace(endpoint, url=masked_url(endpoint.url)))
    return EndpointView(registered, names)


async def read_endpoint(context: Context, endpoint_id: str, *, read_only: bool) -> EndpointView:
    """One endpoint. Raises `NotFound`."""
    return endpoint_view(context, await context.ledger.endpoints.get(endpoint_id), read_only=read_only)


async def list_endpoints(
    context: Context, part: PageRequest, merchant: str | None = None, *, read_only: bool
) -> HistoryPage[EndpointView]:
    """Endpoints of one merchant, or all, newest first. History has the list; each endpoint is shown as it is now.
    Raises `Invalid` and `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.endpoints.list(part, merchant=merchant)
    now = await context.ledger.endpoints.some([row.id for row in page.rows])
    rows = [now[row.id] for row in page.rows if row.id in now and now[row.id].state != "deleted"]
    views = tuple(endpoint_view(context, row, read_only=read_only) for row in rows)
    return HistoryPage(views, page.next_cursor, behind)


async def newest_endpoints(
    context: Context, most: int, merchant: str | None = None, *, read_only: bool
) -> tuple[EndpointView, ...]:
    """The endpoints that were added last, to choose from. Works while history is away."""
    rows = await context.ledger.endpoints.newest(most, merchant)
    return tuple(endpoint_view(context, row, read_only=read_only) for row in rows)
