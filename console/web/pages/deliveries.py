"""Deliveries: what is on its way to whom, every attempt, and trying again."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

import structlog

from console.resources.events import for_readers
from console.web import addresses
from console.web.curl import command
from console.web.masking import MASK
from console.web.refusals import failed
from console.web.visit import Go, Outcome, PageRoute, View, Visit
from ledger.deliveries import State
from schemas import wire
from schemas.endpoints.signature import signed_headers
from schemas.errors import NotFound, RelayError
from schemas.payments.events import CallbackBody

log = structlog.get_logger()

STATES = get_args(State)


async def deliveries(visit: Visit) -> Outcome:
    """Deliveries in one state or all, newest first."""
    listed, endpoints = await asyncio.gather(
        visit.listed("/v1/deliveries", "state", "endpoint", "event"), visit.desk.rows("/v1/endpoints")
    )
    urls = {row["id"]: row["url"] for row in endpoints}
    values = {**listed, "states": STATES, "endpoints": endpoints, "urls": urls}
    return View("deliveries", values, live=() if listed["paged"] else ("deliveries",))


async def delivery(visit: Visit) -> Outcome:
    """One delivery."""
    return await _shown(visit)


async def show(visit: Visit) -> Outcome:
    """One delivery with what its body says of the buyer, and as a command; who asks is noted."""
    view = await _shown(visit, unmasked=True)
    row = view.values["delivery"]
    log.info(
        "buyer_data_shown", caller=visit.caller.name, delivery=row["id"], merchant=row["merchant"],
        imp_uid=row["imp_uid"],
    )  # fmt: skip
    return view


async def retry(visit: Visit) -> Outcome:
    """Have it attempted now; back to where that was asked for."""
    to = addresses.local(visit.form.get("back"), f"/deliveries/{addresses.part(visit.part('id'))}")
    try:
        await visit.desk.ask("POST", "/v1/deliveries/{id}/retry", {"id": visit.part("id")})
    except NotFound:
        raise
    except RelayError as error:
        return failed(to, error)
    return Go(to, "retried")


async def _shown(visit: Visit, *, unmasked: bool = False) -> View:
    row = (await visit.desk.ask("GET", "/v1/deliveries/{id}", {"id": visit.part("id")})).value
    endpoint, callback = await asyncio.gather(_endpoint(visit, row["endpoint"]), _callback(visit, row["event"]))
    is_thin = endpoint is not None and endpoint["payload"] == "thin"
    body = None if callback is None else callback.thin if is_thin else callback.full
    values = {
        "delivery": row,
        "endpoint": endpoint,
        "body": None if body is None else _legible(visit, body),
        "unmasked": unmasked,
        "curl": await _command(visit, row, endpoint, body) if unmasked and endpoint and body else None,
    }
    return View("delivery", values, live=("delivery_now",))


async def _endpoint(visit: Visit, identity: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = (await visit.desk.ask("GET", "/v1/endpoints/{id}", {"id": identity})).value
    except NotFound:
        return None
    return found


async def _callback(visit: Visit, event: str) -> CallbackBody | None:
    """What is sent."""
    try:
        return (await visit.desk.context.ledger.events.get(event)).callback
    except NotFound:
        return None


def _legible(visit: Visit, body: bytes) -> dict[str, Any]:
    callback: dict[str, Any] = wire.loads(body)
    return callback if visit.may_act else for_readers(callback)


async def _command(visit: Visit, row: dict[str, Any], endpoint: dict[str, Any], body: bytes) -> str:
    """The request as it would be made now. A read-only token gets no signature: it could send with it. Nor does it
    get what the page hides from it, see `for_readers`."""
    headers = {"content-type": "application/json", **dict.fromkeys(endpoint["headers"], MASK)}
    now = int(visit.clock.now)
    if visit.may_act:
        reply = await visit.desk.ask("GET", "/v1/endpoints/{id}/secret", {"id": endpoint["id"]})
        headers |= signed_headers(row["event"], body, [reply.value["secret"]], now)
    else:
        headers |= {"webhook-id": row["event"], "webhook-timestamp": str(now), "webhook-signature": MASK}
        body = wire.dumps(_legible(visit, body))
    return command(endpoint["url"], headers, body)


_ONE = "/deliveries/{id}"

PAGES = (
    PageRoute("/deliveries", deliveries),
    PageRoute(_ONE, delivery),
    PageRoute(f"{_ONE}/retry", retry, "POST"),
    PageRoute(f"{_ONE}/show", show, "POST", for_readers=True),
)
