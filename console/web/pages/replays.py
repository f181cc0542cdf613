"""Replays: choose, count, start, watch, stop."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

from console.http import acts
from console.http.models import Listing
from console.http.requests import InvalidFields
from console.operations.replay_events import estimate_replay, list_replays, read_replay, start_replay, stop_replay
from console.resources.replays import ReplayIn
from console.web import addresses
from console.web.forms import Form, filled
from console.web.refusals import reason
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit
from schemas.endpoints.endpoint import EVENT_TYPES
from schemas.endpoints.replay_selection import Only
from schemas.errors import RelayError
from schemas.reasons import Reason

_FIELDS = ("merchant", "endpoint", "only", "since", "until", "rate", "include_silent")


async def replays(visit: Visit) -> PageResult:
    """The form and the replays so far. A link can fill in the form (`?endpoint=`)."""
    chosen = {name: visit.query(name) or "" for name in _FIELDS}
    return await _page(visit, {**chosen, "types": []})


async def begin(visit: Visit) -> PageResult:
    """Count the chosen deliveries; start the replay once the count was shown."""
    form = visit.form
    chosen = {**{name: form.get(name) for name in _FIELDS}, "types": form.all("types")}
    try:
        given = visit.validated(ReplayIn, _fields(form, visit))
        if form.get("step") == "begin":
            started = await start_replay(visit.context, given.selection, given.rate)
            return Redirect(f"/replays/{started.id}", "replay_begun", made=started.id)
        matched = await estimate_replay(visit.context, given.selection)
    except (RelayError, InvalidFields) as error:
        return await _page(visit, chosen, error=reason(error), status=422)
    return await _page(visit, chosen, matched=matched)


async def replay(visit: Visit) -> PageResult:
    """A replay's progress."""
    row = await read_replay(visit.context, visit.part("id"))
    return View("replay", {"replay": row}, live=("replay_progress",))


async def stop(visit: Visit) -> PageResult:
    """Stop a replay."""
    await stop_replay(visit.context, visit.part("id"))
    return Redirect(f"/replays/{addresses.path_part(visit.part('id'))}", "replay_stopped")


async def _page(
    visit: Visit, chosen: dict[str, Any], *, matched: int | None = None, error: Reason | None = None, status: int = 200
) -> View:
    page, endpoints, merchants = await asyncio.gather(
        list_replays(visit.context, visit.listing(Listing).part), visit.endpoints(), visit.merchants()
    )
    values = {
        **visit.listed(page),
        "endpoints": endpoints,
        "merchants": merchants,
        "types": EVENT_TYPES,
        "onlys": get_args(Only),
        "chosen": chosen,
        "matched": matched,
        "error": error,
    }
    return View("replays", values, status, live=("replays",))


def _fields(form: Form, visit: Visit) -> dict[str, Any]:
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
    PageRoute("/replays", begin, "POST", audited=acts.REPLAY_CREATE),
    PageRoute("/replays/{id}", replay),
    PageRoute("/replays/{id}/stop", stop, "POST", audited=acts.REPLAY_STOP),
)
