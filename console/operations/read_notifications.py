"""Notifications as operators see them, alone or in a list."""

from __future__ import annotations

from collections.abc import Sequence

from console.context import Context
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.notifications import Outcome, StoredNotification, stored_notification
from schemas.errors import HistoryUnavailable, NotFound
from schemas.outbox.entries import Notification

MOST_OF_PAYMENT = 100
"""The most pending notifications of one payment for which the ledger is asked what they wait for."""


async def read_notification(context: Context, identity: str) -> StoredNotification:
    """One notification. Raises `NotFound` and `HistoryUnavailable`."""
    try:
        await wait_for_history(context)
        row = await context.history.notifications.get(identity)
    except (NotFound, HistoryUnavailable):
        unrecorded = await context.ledger.notifications.unrecorded(identity)
        if unrecorded is None:
            raise
        row = unrecorded
    (found,) = await _as_they_are(context, [row])
    return found


async def list_notifications(
    context: Context,
    part: PageRequest,
    *,
    merchant: str | None = None,
    imp_uid: str | None = None,
    outcome: Outcome | None = None,
) -> HistoryPage[StoredNotification]:
    """Notifications, newest first. Raises `Invalid` and `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.notifications.list(part, merchant=merchant, imp_uid=imp_uid, outcome=outcome)
    return HistoryPage(await _as_they_are(context, page.rows), page.next_cursor, behind)


async def _as_they_are(context: Context, rows: Sequence[Notification]) -> tuple[StoredNotification, ...]:
    """These notifications; pending ones with what they wait for, which only the ledger knows."""
    names = list(dict.fromkeys((row.merchant, row.imp_uid) for row in rows if row.outcome == "pending"))
    now = {row.id: row for row in await context.ledger.notifications.of_payments(names, MOST_OF_PAYMENT)}
    pending = (now.get(row.id) if row.outcome == "pending" else None for row in rows)
    return tuple(known or stored_notification(row) for known, row in zip(pending, rows, strict=True))
