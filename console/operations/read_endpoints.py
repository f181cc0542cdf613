"""Endpoints as operators see them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import orjson

from console.context import Context
from ledger.endpoints import RegisteredEndpoint, State
from ledger.pages import Page, PageRequest
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.url_masking import masked_url


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint and how it is doing; for read-only operators its URL is masked. The values of its headers are never
    shown, only `header_names`."""

    endpoint: Endpoint
    state: State
    success_rate: float | None
    breaker: str
    last_error: str | None
    header_names: tuple[str, ...]


def endpoint_view(context: Context, registered: RegisteredEndpoint, *, read_only: bool) -> EndpointView:
    """A registered endpoint as it is shown. Raises `Unreadable` where no key opens its headers."""
    endpoint = registered.endpoint
    names = tuple(orjson.loads(context.sealer.open(endpoint.headers))) if endpoint.headers else ()
    return EndpointView(
        endpoint=replace(endpoint, url=masked_url(endpoint.url)) if read_only else endpoint,
        state=registered.state,
        success_rate=registered.success_rate,
        breaker=registered.breaker,
        last_error=registered.last_error,
        header_names=names,
    )


async def read_endpoint(context: Context, endpoint_id: str, *, read_only: bool) -> EndpointView:
    """One endpoint. Raises `NotFound`."""
    return endpoint_view(context, await context.ledger.endpoints.get(endpoint_id), read_only=read_only)


async def list_endpoints(
    context: Context, part: PageRequest, merchant: str | None = None, *, read_only: bool
) -> Page[EndpointView]:
    """Endpoints of one merchant, or all, newest first."""
    page = await context.ledger.endpoints.list(part, merchant)
    return Page(tuple(endpoint_view(context, row, read_only=read_only) for row in page.rows), page.next_cursor)
