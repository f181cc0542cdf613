"""Notifications as operators see them, alone or in a list."""

from __future__ import annotations

from console.context import Context
from console.operations import from_history
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.notifications import Outcome, StoredNotification
from schemas.errors import NotFound


async def read_notification(context: Context, identity: str) -> StoredNotification:
    """One notification, wherever it is. Raises `NotFound`."""
    try:
        return await context.ledger.notifications.get(identity)
    except NotFound:
        return from_history.notification(await context.history.notifications.get(identity))


async def list_notifications(
    context: Context,
    part: PageRequest,
    *,
    merchant: str | None = None,
    imp_uid: str | None = None,
    outcome: Outcome | None = None,
) -> HistoryPage[StoredNotification]:
    """Notifications, newest first; what the pending ones wait for is as the ledger knows it. Raises `Invalid` and
    `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.notifications.list(part, merchant=merchant, imp_uid=imp_uid, outcome=outcome)
    pending = [row.id for row in page.rows if row.outcome == "pending"]
    now = {row.id: row for row in await context.ledger.notifications.some(pending) if row.outcome == "pending"}
    rows = tuple(now.get(row.id) or from_history.notification(row) for row in page.rows)
    return HistoryPage(rows, page.next_cursor, behind)
