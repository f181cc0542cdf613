"""Notifications: what came in, and what became of it."""

from __future__ import annotations

import asyncio
from typing import get_args

from console.web.visit import PAGE_SIZE, Outcome, Page, View, Visit
from ledger.notifications import Outcome as Became


async def notifications(visit: Visit) -> Outcome:
    """Webhooks, newest first."""
    chosen = {name: visit.query(name) or "" for name in ("merchant", "imp_uid", "outcome")}
    cursor = visit.query("cursor")
    reply, merchants, stats = await asyncio.gather(
        visit.ask("GET", "/v1/notifications", query={**chosen, "cursor": cursor, "limit": PAGE_SIZE}),
        visit.rows("/v1/merchants", limit=200),
        visit.ask("GET", "/v1/stats"),
    )
    values = {
        "rows": reply.value["data"],
        "next_cursor": reply.value["next_cursor"],
        "merchants": [row["merchant"] for row in merchants],
        "outcomes": get_args(Became),
        "refused": stats.value["refused"],
        "chosen": chosen,
        "paged": cursor is not None,
    }
    return View("notifications", values, live=() if cursor else ("notifications",))


PAGES = (Page("/notifications", notifications),)
