"""Reconciliations: compare with i'mport, and see what was missing."""

from __future__ import annotations

import asyncio
from typing import Any

from console.http import acts
from console.http.requests import InvalidFields
from console.operations.read_stats import read_loss_rate
from console.operations.reconcile import list_reconciliations, start_reconciliation
from console.resources.reconciliations import ReconciliationIn, ReconciliationListing
from console.web.forms import filled
from console.web.refusals import reason
from console.web.visit import PageResult, PageRoute, Redirect, View, Visit
from schemas.errors import RelayError
from schemas.reasons import Reason


async def reconciliations(visit: Visit) -> PageResult:
    """The reconciliations so far, and a form for another one."""
    return await _page(visit, {"merchant": "", "since": "", "until": "", "deliver": ""})


async def begin(visit: Visit) -> PageResult:
    """Compare a window now."""
    form, zone = visit.form, visit.clock.zone
    chosen = {name: form.get(name) for name in ("merchant", "since", "until", "deliver")}
    fields = filled(merchant=chosen["merchant"], since=form.moment("since", zone), until=form.moment("until", zone))
    try:
        given = visit.validated(ReconciliationIn, {**fields, "deliver": form.has("deliver")})
        run = await start_reconciliation(visit.context, given.merchant, given.since, given.until, deliver=given.deliver)
    except (RelayError, InvalidFields) as error:
        return await _page(visit, chosen, error=reason(error), status=422)
    return Redirect("/reconciliations", "reconciliation_begun", made=run.id)


async def _page(visit: Visit, chosen: dict[str, Any], *, error: Reason | None = None, status: int = 200) -> View:
    query = visit.listing(ReconciliationListing)
    page, merchants, loss_rate = await asyncio.gather(
        list_reconciliations(visit.context, query.part), visit.merchants(), read_loss_rate(visit.context)
    )
    values = {
        **visit.listed(page),
        "merchants": merchants,
        "loss_rate": loss_rate,
        "chosen": chosen,
        "error": error,
    }
    return View("reconciliations", values, status, live=("reconciliations",))


PAGES = (
    PageRoute("/reconciliations", reconciliations),
    PageRoute("/reconciliations", begin, "POST", audited=acts.RECONCILIATION_CREATE),
)
