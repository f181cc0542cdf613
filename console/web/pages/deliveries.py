"""Deliveries: each event on its way to an endpoint, every attempt, and attempting one now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, get_args

import structlog

from console.http import acts
from console.operations.read_deliveries import list_deliveries, read_delivery
from console.operations.read_endpoints import EndpointView, read_endpoint
from console.operations.read_events import find_event, masked_callback
from console.operations.retry_delivery import retry_delivery
from console.operations.rotate_secret import read_secrets
from console.resources.deliveries import DeliveryListing
from console.web import addresses
from console.web.curl import command
from console.web.refusals import failed
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit, urls_of
from ledger.deliveries import DeliveryView
from schemas import wire
from schemas.endpoints.endpoint import EVENT_TYPES
from schemas.endpoints.signature import signed_headers
from schemas.endpoints.states import DeliveryState
from schemas.errors import NotFound, RelayError
from schemas.payments.buyer_masking import MASK
from schemas.payments.events import CallbackBody

log = structlog.get_logger()

STATES = get_args(DeliveryState)
_FILTERS = ("state", "endpoint", "event", "merchant", "type")


async def deliveries(visit: Visit) -> PageResult:
    """Deliveries in one state or all, newest first."""
    query = visit.listing(DeliveryListing, *_FILTERS)
    page, endpoints, merchants = await asyncio.gather(
        list_deliveries(
            visit.context,
            query.part,
            endpoint=query.endpoint,
            event=query.event,
            state=query.state,
            merchant=query.merchant,
            type_=query.type,
        ),
        visit.endpoints(),
        visit.merchants(),
    )
    listed = visit.listed(page, *_FILTERS)
    is_whole = not any(visit.query(name) for name in _FILTERS if name != "merchant")
    values = {
        **listed,
        "states": STATES,
        "endpoints": endpoints,
        "urls": urls_of(endpoints),
        "merchants": merchants,
        "types": EVENT_TYPES,
        "count": await visit.count("deliveries", query, query.merchant) if is_whole else None,
    }
    return View("deliveries", values, live=() if listed["paged"] else ("deliveries",))


async def delivery(visit: Visit) -> PageResult:
    """One delivery."""
    return await _page(visit, await _delivery(visit))


async def show(visit: Visit) -> PageResult:
    """One delivery with the buyer's data in its body, and as a command. The audit records who opens it."""
    row = await _delivery(visit)
    view = await _page(visit, row, unmasked=True)
    log.info("buyer_data_shown", caller=visit.caller.name, delivery=row.id, merchant=row.merchant, imp_uid=row.imp_uid)
    return view


async def retry(visit: Visit) -> PageResult:
    """Have the delivery attempted now, and return to the page of the request."""
    to = addresses.local(visit.form.get("back"), f"/deliveries/{addresses.path_part(visit.part('id'))}")
    try:
        await retry_delivery(visit.context, visit.part("id"))
    except NotFound:
        raise
    except RelayError as error:
        return failed(to, error)
    return Redirect(to, "retried")


async def _delivery(visit: Visit) -> DeliveryView:
    return await read_delivery(visit.context, visit.part("id"))


async def _page(visit: Visit, row: DeliveryView, *, unmasked: bool = False) -> View:
    view, callback = await asyncio.gather(_endpoint(visit, row.endpoint), _callback(visit, row.event))
    is_thin = view is not None and view.endpoint.payload == "thin"
    body = None if callback is None else callback.thin if is_thin else callback.full
    values = {
        "delivery": row,
        "endpoint": view and view.endpoint,
        "header_names": view and view.header_names,
        "body": None if body is None else _legible(visit, body),
        "unmasked": unmasked,
        "curl": await _command(visit, row, view, body) if unmasked and view and body else None,
    }
    return View("delivery", values, live=("delivery_now",))


async def _endpoint(visit: Visit, endpoint_id: str) -> EndpointView | None:
    try:
        return await read_endpoint(visit.context, endpoint_id, read_only=visit.read_only)
    except NotFound:
        return None


async def _callback(visit: Visit, event: str) -> CallbackBody | None:
    """The callback's body; None if the event was removed."""
    try:
        return (await find_event(visit.context, event)).callback
    except NotFound:
        return None


def _legible(visit: Visit, body: bytes) -> Mapping[str, Any]:
    callback: dict[str, Any] = wire.loads(body)
    return masked_callback(callback) if visit.read_only else callback


async def _command(visit: Visit, row: DeliveryView, view: EndpointView, body: bytes) -> str:
    """The request as it would be made now. A read-only token gets no signature, because it could send a callback with
    it, and no part of the body that its pages mask."""
    headers = {"content-type": "application/json", **dict.fromkeys(view.header_names, MASK)}
    now = int(visit.clock.now)
    if visit.may_act:
        secrets = await read_secrets(visit.context, view.endpoint.id)
        headers |= signed_headers(row.event, body, [secrets.secret], now)
    else:
        headers |= {"webhook-id": row.event, "webhook-timestamp": str(now), "webhook-signature": MASK}
        body = wire.dumps(_legible(visit, body))
    return command(view.endpoint.url, headers, body)


_ONE = "/deliveries/{id}"

PAGES = (
    PageRoute("/deliveries", deliveries),
    PageRoute(_ONE, delivery, audited=acts.DELIVERY_READ),
    PageRoute(f"{_ONE}/retry", retry, "POST", audited=acts.DELIVERY_RETRY),
    PageRoute(f"{_ONE}/show", show, "POST", for_readers=True, audited=acts.CALLBACK_READ),
)
