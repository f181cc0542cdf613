"""Notifications: what came in, and what became of it."""

from __future__ import annotations

import asyncio
from typing import get_args

from console.web.visit import Outcome, PageRoute, View, Visit
from ledger.notifications import Outcome as Became


async def notifications(visit: Visit) -> Outcome:
    """Webhooks, newest first."""
    listed, merchants, stats = await asyncio.gather(
        visit.listed("/v1/notifications", "merchant", "imp_uid", "outcome"),
        visit.desk.merchants(),
        visit.desk.ask("GET", "/v1/stats"),
    )
    values = {
        **listed,
        "merchants": merchants,
        "outcomes": get_args(Became),
        "refused": stats.value["refused"],
        "bodies": stats.value["refused_bodies"],
    }
    return View("notifications", values, live=() if listed["paged"] else ("notifications",))


PAGES = (PageRoute("/notifications", notifications),)
