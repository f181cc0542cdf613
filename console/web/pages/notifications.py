"""Notifications: webhooks as they were stored, and their outcome."""

from __future__ import annotations

import asyncio
from typing import get_args

from console.operations.read_notifications import list_notifications
from console.operations.read_stats import read_refused
from console.resources.notifications import NotificationListing
from console.web.visit import PageResult, PageRoute, View, Visit
from ledger.notifications import Outcome

_FILTERS = ("merchant", "imp_uid", "outcome")


async def notifications(visit: Visit) -> PageResult:
    """Notifications, newest first."""
    query = visit.listing(NotificationListing, *_FILTERS)
    page, merchants, refused = await asyncio.gather(
        list_notifications(
            visit.context, query.part, merchant=query.merchant, imp_uid=query.imp_uid, outcome=query.outcome
        ),
        visit.merchants(),
        read_refused(visit.context),
    )
    listed = visit.listed(page, *_FILTERS)
    is_whole = query.imp_uid is None and query.outcome is None
    values = {
        **listed,
        "count": await visit.count("notifications", query, query.merchant) if is_whole else None,
        "merchants": merchants,
        "outcomes": get_args(Outcome),
        "refused": refused.counts,
        "bodies": refused.bodies,
    }
    return View("notifications", values, live=() if listed["paged"] else ("notifications",))


PAGES = (PageRoute("/notifications", notifications),)
