"""The audit: what operators did, and at which buyers' data or secrets they looked."""

from __future__ import annotations

from console.http import acts
from console.http.audited import Audited
from console.operations.audit import list_audit
from console.resources.audit import AuditListing
from console.web.visit import PageResult, PageRoute, View, Visit

ACTIONS = tuple(act.action for act in vars(acts).values() if isinstance(act, Audited))
_FILTERS = ("actor", "action", "object")


async def audit(visit: Visit) -> PageResult:
    """What operators did, newest first; the first page is live."""
    query = visit.listing(AuditListing, *_FILTERS)
    page = await list_audit(visit.context, query.part, actor=query.actor, action=query.action, object_=query.object)
    listed = visit.listed(page, *_FILTERS)
    return View("audit", {**listed, "actions": ACTIONS}, live=() if listed["paged"] else ("audit",))


PAGES = (PageRoute("/audit", audit),)
