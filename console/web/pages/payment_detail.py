"""One payment: where it stands, what is still to be done about it, and its whole story."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

from console.web import addresses
from console.web.masking import has_private
from console.web.timeline import story, undelivered
from console.web.visit import Outcome, PageRoute, View, Visit
from schemas.errors import NotFound
from schemas.payments.history_entries import uncancelled
from schemas.payments.snapshot import Snapshot

_MOST_EVENTS, _MOST_NOTIFICATIONS = 50, 100


async def payment(visit: Visit) -> Outcome:
    """The page of a payment; also of one that no look has found yet, if a webhook spoke of it."""
    return await shown(visit, unmasked=False)


async def shown(visit: Visit, *, unmasked: bool) -> View:
    """The page, with or without what it says of the buyer. Raises `NotFound` where nothing is known at all."""
    merchant, imp_uid = visit.part("merchant"), visit.part("imp_uid")
    known, notifications, recorded, endpoints, look = await asyncio.gather(
        known_payment(visit, merchant, imp_uid),
        visit.desk.rows("/v1/notifications", merchant=merchant, imp_uid=imp_uid, limit=_MOST_NOTIFICATIONS),
        visit.desk.ask("GET", "/v1/events", query={"merchant": merchant, "imp_uid": imp_uid, "limit": _MOST_EVENTS}),
        visit.desk.rows("/v1/endpoints", merchant=merchant),
        visit.desk.context.ledger.payments.look(merchant, imp_uid),
    )
    if known is None and not notifications and not look.due:
        raise NotFound(f"there is no payment {imp_uid!r} of merchant {merchant!r}")
    events = recorded.value["data"]
    of_events = await asyncio.gather(*(visit.desk.rows("/v1/deliveries", event=event["id"]) for event in events))
    deliveries = {event["id"]: rows for event, rows in zip(events, of_events, strict=True)}
    everything = [row for rows in deliveries.values() for row in rows]
    values = {
        "payment": known,
        "merchant": merchant,
        "imp_uid": imp_uid,
        "entries": story(known, notifications, events, deliveries),
        "todo": undelivered(deliveries),
        "counts": {state: sum(row["state"] == state for row in everything) for state in ("delivered", "dead", "held")},
        "total": len(everything),
        "event_count": len(events),
        "look": look,
        "urls": {row["id"]: row["url"] for row in endpoints},
        "claimed_uid": next((row["merchant_uid"] for row in notifications if row["merchant_uid"]), None),
        "left": _left(known),
        "unmasked": unmasked,
        "private": any(has_private(row["extra"]) for row in notifications),
        "cut": recorded.value["next_cursor"] is not None or len(notifications) == _MOST_NOTIFICATIONS,
    }
    return View("payment", values, live=("payment_now", "payment_story"))


def address(visit: Visit) -> str:
    """Where the page of this payment is."""
    return addresses.payment(visit.part("merchant"), visit.part("imp_uid"))


async def known_payment(visit: Visit, merchant: str, imp_uid: str) -> dict[str, Any] | None:
    """A payment as the operator API shows it; None where no look has found it."""
    try:
        reply = await visit.desk.ask(
            "GET", "/v1/payments/{imp_uid}", {"imp_uid": imp_uid}, query={"merchant": merchant}
        )
    except NotFound:
        return None
    found: dict[str, Any] = reply.value
    return found


def _left(payment: dict[str, Any] | None) -> Decimal | None:
    """What has not been cancelled, as i'mport shows it now, where something is left of a payment that was approved."""
    if payment is None:
        return None
    if payment["status"] not in ("paid", "partially_cancelled", "cancellation_pending") and not payment["contradicts"]:
        return None
    snapshot = Snapshot.parse(payment["payment"])
    if snapshot.status not in ("paid", "cancelled"):
        return None  # a deposit was taken back: for i'mport it is unpaid
    return uncancelled(snapshot, snapshot.cancel_amount) or None


PAGES = (PageRoute("/payments/{merchant}/{imp_uid}", payment),)
