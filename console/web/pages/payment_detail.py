"""One payment: where it stands, what is still to be done about it, and everything that happened to it."""

from __future__ import annotations

import asyncio

from console.http.models import OfMerchant
from console.operations.trace_payment import trace_payment
from console.web import addresses
from console.web.timeline import timeline, undelivered
from console.web.visit import PageResult, PageRoute, View, Visit, urls_of
from schemas.payments.buyer_masking import has_private


async def payment(visit: Visit) -> PageResult:
    """The page of a payment. It may be one that no look-up has found yet, if a webhook reported it."""
    return await payment_page(visit, unmasked=False)


async def payment_page(visit: Visit, *, unmasked: bool) -> View:
    """The page, with or without the buyer's data. Raises `NotFound` if nothing is known of the payment."""
    merchant, imp_uid = payment_key(visit)
    trace, endpoints = await asyncio.gather(trace_payment(visit.context, merchant, imp_uid), visit.endpoints(merchant))
    deliveries = [delivery for rows in trace.deliveries.values() for delivery in rows]
    counts = {state: sum(row.state == state for row in deliveries) for state in ("delivered", "dead", "held")}
    values = {
        "payment": trace.payment,
        "merchant": merchant,
        "imp_uid": imp_uid,
        "entries": timeline(trace),
        "undelivered": undelivered(deliveries),
        "counts": counts,
        "total": len(deliveries),
        "event_count": len(trace.events),
        "refresh": trace.refresh,
        "urls": urls_of(endpoints),
        "reported_uid": next((row.merchant_uid for row in trace.notifications if row.merchant_uid), None),
        "left": trace.payment and trace.payment.left_to_cancel,
        "unmasked": unmasked,
        "private": any(has_private(row.extra) for row in trace.notifications),
        "truncated": trace.truncated,
    }
    return View("payment", values, live=("payment_now", "payment_timeline"))


def payment_key(visit: Visit) -> tuple[str, str]:
    """The payment's merchant and imp_uid. Raises `InvalidFields` if the merchant's name is not a valid one."""
    return visit.validated(OfMerchant, {"merchant": visit.part("merchant")}).merchant, visit.part("imp_uid")


def address(visit: Visit) -> str:
    """The address of this payment's page."""
    return addresses.payment(visit.part("merchant"), visit.part("imp_uid"))


PAGES = (PageRoute("/payments/{merchant}/{imp_uid}", payment),)
