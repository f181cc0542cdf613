"""The search field: an id of any kind leads to its page."""

from __future__ import annotations

from urllib.parse import urlencode

from console.operations.read_notifications import list_notifications
from console.web import addresses
from console.web.pages.payments import by_imp_uid
from console.web.visit import PageResult, PageRoute, Redirect, Visit
from history.pages import PageRequest
from schemas.payments.snapshot import IMP_UID


async def search(visit: Visit) -> PageResult:
    """To the page of an id; else to the payments of this order number."""
    wanted = visit.query("q")
    if not wanted:
        return Redirect("/payments")
    if wanted.startswith("evt_"):
        return Redirect(f"/{'deliveries' if '.' in wanted else 'events'}/{addresses.path_part(wanted)}")
    if wanted.startswith("ep_"):
        return Redirect(f"/endpoints/{addresses.path_part(wanted)}")
    if IMP_UID.fullmatch(wanted):
        found = await by_imp_uid(visit, wanted, ["default", *await visit.merchants()])
        if len(found) == 1:
            return Redirect(addresses.payment(found[0].stored.merchant, wanted))
        if not found:
            # No look-up has found it, but a webhook may have reported it.
            notified = (await list_notifications(visit.context, PageRequest(1), imp_uid=wanted)).rows
            if notified:
                return Redirect(addresses.payment(notified[0].merchant, wanted))
    return Redirect(f"/payments?{urlencode({'q': wanted})}")


PAGES = (PageRoute("/find", search),)
