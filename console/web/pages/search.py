"""One field for every id: wherever it came from, it leads to its page."""

from __future__ import annotations

from urllib.parse import urlencode

from console.web import addresses
from console.web.pages.payments import by_imp_uid
from console.web.visit import Go, Outcome, PageRoute, Visit
from schemas.payments.snapshot import IMP_UID


async def find(visit: Visit) -> Outcome:
    """To the page of an id; else to the payments of this order number."""
    wanted = visit.query("q")
    if not wanted:
        return Go("/payments")
    if wanted.startswith("evt_"):
        return Go(f"/{'deliveries' if '.' in wanted else 'events'}/{addresses.part(wanted)}")
    if wanted.startswith("ep_"):
        return Go(f"/endpoints/{addresses.part(wanted)}")
    if IMP_UID.fullmatch(wanted):
        found = await by_imp_uid(visit, wanted, ["default", *await visit.desk.merchants()])
        if len(found) == 1:
            return Go(addresses.payment(found[0]["merchant"], wanted))
        if not found:
            # Nobody has found it at i'mport, but a webhook may have spoken of it.
            spoken = await visit.desk.rows("/v1/notifications", imp_uid=wanted, limit=1)
            if spoken:
                return Go(addresses.payment(spoken[0]["merchant"], wanted))
    return Go(f"/payments?{urlencode({'q': wanted})}")


PAGES = (PageRoute("/find", find),)
