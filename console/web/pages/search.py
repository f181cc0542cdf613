"""The search field: an id leads to its page; for another text, everything that it may mean is listed."""

from __future__ import annotations

import asyncio

from console.http import acts
from console.operations.read_notifications import list_notifications
from console.operations.read_payments import find_payment
from console.operations.search_history import Found, search_history
from console.web import addresses
from console.web.visit import PAGE_SIZE, PageResult, PageRoute, Redirect, View, Visit
from history.pages import PageRequest
from schemas import event_ids
from schemas.errors import HistoryUnavailable
from schemas.payments.snapshot import IMP_UID
from schemas.webhook_address import DEFAULT_MERCHANT


async def search(visit: Visit) -> PageResult:
    """If the text can mean only one object, lead to its page; else show everything that was found."""
    wanted, cursor = visit.query("q"), visit.query("cursor")
    if not wanted:
        return Redirect("/payments")
    if wanted.startswith(event_ids.PREFIX):
        return Redirect(f"/{'deliveries' if '.' in wanted else 'events'}/{addresses.path_part(wanted)}")
    if wanted.startswith("ep_"):
        return Redirect(f"/endpoints/{addresses.path_part(wanted)}")
    try:
        found = await search_history(visit.context, wanted, limit=PAGE_SIZE, cursor=cursor)
    except HistoryUnavailable:
        if (address := await _without_history(visit, wanted)) is None:
            raise
        return Redirect(address)
    if cursor is None and (address := await _clear(visit, wanted, found)) is not None:
        return Redirect(address)
    values = {
        "found": found,
        "rows": found.payments,
        "chosen": {"q": wanted},
        "next_cursor": found.next_cursor,
        "paged": cursor is not None,
    }
    return View("search", values, named={"found": [row.stored.imp_uid for row in found.payments]})


async def _clear(visit: Visit, wanted: str, found: Found) -> str | None:
    """The page of the only object that the text can mean; None if there are none or several."""
    rows = [row.stored for row in found.payments]
    named = [row for row in rows if row.imp_uid == wanted] or [row for row in rows if row.merchant_uid == wanted]
    if len(named) == 1 and (named[0].imp_uid == wanted or found.count == 1):
        return addresses.payment(named[0].merchant, named[0].imp_uid)
    if not found.count and IMP_UID.fullmatch(wanted):
        # No look-up has found this payment, but a webhook may have reported it.
        reported = (await list_notifications(visit.context, PageRequest(1), imp_uid=wanted)).rows
        return addresses.payment(reported[0].merchant, wanted) if reported else None
    return None


async def _without_history(visit: Visit, wanted: str) -> str | None:
    """The page of a payment that the ledger has, while history is away."""
    if not IMP_UID.fullmatch(wanted):
        return None
    merchants = dict.fromkeys([DEFAULT_MERCHANT, *await visit.merchants()])
    found = await asyncio.gather(*(find_payment(visit.context, merchant, wanted) for merchant in merchants))
    named = [payment for payment in found if payment is not None]
    return addresses.payment(named[0].stored.merchant, wanted) if len(named) == 1 else None


PAGES = (PageRoute("/find", search, audited=acts.PAYMENT_SEARCH),)
