"""Events: what was recorded, as it happens; one event, who got it, and why somebody did not."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from console.web.masking import has_private
from console.web.visit import Outcome, PageRoute, View, Visit
from schemas.endpoints.endpoint import ENDPOINT_TYPES, PAYMENT_TYPES

log = structlog.get_logger()

TYPES = (*PAYMENT_TYPES, *ENDPOINT_TYPES)
_FILTERS = ("merchant", "imp_uid", "type", "since", "until")
_MOST_ENDPOINTS = 50


async def events(visit: Visit) -> Outcome:
    """The events of a filter, newest first; the first page goes on as they happen."""
    listed, merchants = await asyncio.gather(visit.listed("/v1/events", *_FILTERS), visit.desk.merchants())
    values = {**listed, "merchants": merchants, "types": TYPES}
    return View("events", values, live=() if listed["paged"] else ("events",))


async def event(visit: Visit) -> Outcome:
    """One event."""
    return await _shown(visit, unmasked=False)


async def show(visit: Visit) -> Outcome:
    """One event with what it says of the buyer; who asks is noted."""
    view = await _shown(visit, unmasked=True)
    data = view.values["event"]["data"]
    log.info(
        "buyer_data_shown", caller=visit.caller.name, event_id=visit.part("id"), merchant=data.get("merchant"),
        imp_uid=data.get("imp_uid"),
    )  # fmt: skip
    return view


async def _shown(visit: Visit, *, unmasked: bool) -> View:
    reply = await visit.desk.ask("GET", "/v1/events/{id}", {"id": visit.part("id")})
    found = reply.value
    body = {name: value for name, value in found.items() if name not in ("recorded_at", "silent")}
    endpoints = await visit.desk.rows("/v1/endpoints", merchant=found["data"].get("merchant"), limit=_MOST_ENDPOINTS)
    explained, deliveries = await asyncio.gather(
        asyncio.gather(*(_explained(visit, found["id"], endpoint) for endpoint in endpoints)),
        visit.desk.rows("/v1/deliveries", event=found["id"]),
    )
    known = {endpoint["id"] for endpoint in endpoints}
    values = {
        "event": found,
        "body": body,
        "explained": explained,
        "others": [row for row in deliveries if row["endpoint"] not in known],
        "unmasked": unmasked,
        "private": has_private(body),
    }
    return View("event", values, live=("event_deliveries",))


async def _explained(visit: Visit, event_id: str, endpoint: dict[str, Any]) -> dict[str, Any]:
    reply = await visit.desk.ask("GET", "/v1/events/{id}/explain", {"id": event_id}, query={"endpoint": endpoint["id"]})
    return {**reply.value, "url": endpoint["url"]}


PAGES = (
    PageRoute("/events", events),
    PageRoute("/events/{id}", event),
    PageRoute("/events/{id}/show", show, "POST", for_readers=True),
)
