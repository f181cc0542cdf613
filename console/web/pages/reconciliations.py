"""Reconciliations: comparing with i'mport, and what was missing."""

from __future__ import annotations

import asyncio
from typing import Any

from console.http.requests import InvalidFields
from console.web.forms import filled
from console.web.refusals import reason
from console.web.visit import Go, Outcome, PageRoute, View, Visit
from schemas.errors import RelayError
from schemas.reasons import Reason


async def reconciliations(visit: Visit) -> Outcome:
    """The runs so far, and a form for another."""
    return await _page(visit, {"merchant": "", "since": "", "until": "", "deliver": ""})


async def begin(visit: Visit) -> Outcome:
    """Compare a window now."""
    form, zone = visit.form, visit.clock.zone
    chosen = {name: form.get(name) for name in ("merchant", "since", "until", "deliver")}
    body = filled(merchant=chosen["merchant"], since=form.moment("since", zone), until=form.moment("until", zone))
    try:
        await visit.desk.ask("POST", "/v1/reconciliations", body={**body, "deliver": form.has("deliver")})
    except (RelayError, InvalidFields) as error:
        return await _page(visit, chosen, error=reason(error), status=422)
    return Go("/reconciliations", "reconciliation_begun")


async def _page(visit: Visit, chosen: dict[str, Any], *, error: Reason | None = None, status: int = 200) -> View:
    listed, merchants, stats = await asyncio.gather(
        visit.listed("/v1/reconciliations"), visit.desk.merchants(), visit.desk.ask("GET", "/v1/stats")
    )
    loss_rate = stats.value["webhook_loss_rate"]
    values = {**listed, "merchants": merchants, "loss_rate": loss_rate, "chosen": chosen, "error": error}
    return View("reconciliations", values, status, live=("reconciliations",))


PAGES = (
    PageRoute("/reconciliations", reconciliations),
    PageRoute("/reconciliations", begin, "POST"),
)
