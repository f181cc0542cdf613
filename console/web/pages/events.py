"""Events: what was recorded, as it happens; one event, who received it, and why others did not."""

from __future__ import annotations

import asyncio

import structlog

from console.http import acts
from console.operations.explain_delivery import explain
from console.operations.read_deliveries import deliveries_of_events
from console.operations.read_events import event_view, find_event, list_events
from console.resources.events import EventListing
from console.web.visit import MOST_ROWS, PageResult, PageRoute, View, Visit, urls_of
from schemas.endpoints.endpoint import EVENT_TYPES
from schemas.payments.buyer_masking import has_private

log = structlog.get_logger()

_FILTERS = ("merchant", "imp_uid", "type", "since", "until")
_MOST_ENDPOINTS = 50
_MOST_DELIVERIES = 10_000


async def events(visit: Visit) -> PageResult:
    """The events that match a filter, newest first; the first page is live."""
    query = visit.listing(EventListing, *_FILTERS)
    page, merchants = await asyncio.gather(
        list_events(
            visit.context,
            query.part,
            merchant=query.merchant,
            imp_uid=query.imp_uid,
            type_=query.type,
            read_only=visit.read_only,
        ),
        visit.merchants(),
    )
    listed = visit.listed(page, *_FILTERS)
    is_whole = query.imp_uid is None and query.type is None
    count = await visit.count("events", query, query.merchant) if is_whole else None
    values = {**listed, "merchants": merchants, "types": EVENT_TYPES, "count": count}
    return View("events", values, live=() if listed["paged"] else ("events",))


async def event(visit: Visit) -> PageResult:
    """One event."""
    return await _page(visit, unmasked=False)


async def show(visit: Visit) -> PageResult:
    """One event with the buyer's data in it. The audit records who opens it."""
    view = await _page(visit, unmasked=True)
    data = view.values["event"].data
    log.info(
        "buyer_data_shown", caller=visit.caller.name, event_id=visit.part("id"), merchant=data.get("merchant"),
        imp_uid=data.get("imp_uid"),
    )  # fmt: skip
    return view


async def _page(visit: Visit, *, unmasked: bool) -> View:
    stored = await find_event(visit.context, visit.part("id"))
    found = event_view(stored, read_only=visit.read_only)
    endpoints = await visit.endpoints(found.data.get("merchant"), _MOST_ENDPOINTS)
    sent = (await deliveries_of_events(visit.context, [found.id], _MOST_DELIVERIES))[found.id]
    to = {delivery.endpoint: delivery for delivery in sent}
    ids = [row.endpoint.id for row in endpoints]
    explained = await asyncio.gather(*(explain(visit.context, stored, one, to.get(one)) for one in ids))
    values = {
        "event": found,
        "explained": explained,
        "urls": urls_of(endpoints),
        "others": [delivery for delivery in sent if delivery.endpoint not in ids][:MOST_ROWS],
        "unmasked": unmasked,
        "private": has_private(found.body),
    }
    return View("event", values, live=("event_deliveries",))


PAGES = (
    PageRoute("/events", events),
    PageRoute("/events/{id}", event),
    PageRoute("/events/{id}/show", show, "POST", for_readers=True, audited=acts.EVENT_READ),
)
