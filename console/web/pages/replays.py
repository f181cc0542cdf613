"""Replays: choose, count, begin, watch, stop."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

from console.http.requests import InvalidFields
from console.web import addresses
from console.web.forms import Form, filled
from console.web.refusals import reason
from console.web.visit import Go, Outcome, PageRoute, View, Visit
from ledger.replays import Only
from schemas.endpoints.endpoint import ENDPOINT_TYPES, PAYMENT_TYPES
from schemas.errors import RelayError
from schemas.reasons import Reason

TYPES = (*PAYMENT_TYPES, *ENDPOINT_TYPES)
_FIELDS = ("merchant", "endpoint", "only", "since", "until", "rate", "include_silent")


async def replays(visit: Visit) -> Outcome:
    """The form and the replays so far; a link can choose beforehand (`?endpoint=`)."""
    chosen = {name: visit.query(name) or "" for name in _FIELDS}
    return await _page(visit, {**chosen, "types": []})


async def begin(visit: Visit) -> Outcome:
    """Count what was chosen, or begin once the count was seen."""
    form = visit.form
    chosen = {**{name: form.get(name) for name in _FIELDS}, "types": form.all("types")}
    is_counted = form.get("step") == "begin"
    try:
        reply = await visit.desk.ask("POST", "/v1/replays", body={**_body(form, visit), "dry_run": not is_counted})
    except (RelayError, InvalidFields) as error:
        return await _page(visit, chosen, error=reason(error), status=422)
    if is_counted:
        return Go(f"/replays/{reply.value['id']}", "replay_begun")
    return await _page(visit, chosen, matched=reply.value["matched"])


async def replay(visit: Visit) -> Outcome:
    """How far one is."""
    row = (await visit.desk.ask("GET", "/v1/replays/{id}", {"id": visit.part("id")})).value
    return View("replay", {"replay": row}, live=("replay_progress",))


async def stop(visit: Visit) -> Outcome:
    """Stop one."""
    await visit.desk.ask("DELETE", "/v1/replays/{id}", {"id": visit.part("id")})
    return Go(f"/replays/{addresses.part(visit.part('id'))}", "replay_stopped")


async def _page(
    visit: Visit, chosen: dict[str, Any], *, matched: int | None = None, error: Reason | None = None, status: int = 200
) -> View:
    listed, endpoints, merchants = await asyncio.gather(
        visit.listed("/v1/replays"), visit.desk.rows("/v1/endpoints"), visit.desk.merchants()
    )
    values = {
        **listed,
        "endpoints": endpoints,
        "merchants": merchants,
        "types": TYPES,
        "onlys": get_args(Only),
        "chosen": chosen,
        "matched": matched,
        "error": error,
    }
    return View("replays", values, status, live=("replays",))


def _body(form: Form, visit: Visit) -> dict[str, Any]:
    zone = visit.clock.zone
    return filled(
        merchant=form.get("merchant"),
        endpoint=form.get("endpoint"),
        types=form.all("types"),
        since=form.moment("since", zone),
        until=form.moment("until", zone),
        only=form.get("only"),
        rate=form.number("rate"),
    ) | {"include_silent": form.has("include_silent")}


PAGES = (
    PageRoute("/replays", replays),
    PageRoute("/replays", begin, "POST"),
    PageRoute("/replays/{id}", replay),
    PageRoute("/replays/{id}/stop", stop, "POST"),
)
