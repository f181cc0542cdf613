"""30 days at a glance: payments, refunds, lost webhooks, and how each endpoint did."""

from __future__ import annotations

from datetime import datetime, timedelta

from console.http.models import OfMerchant
from console.operations.read_figures import read_figures
from console.web.figure_charts import LATENCY_NAMES, by_endpoint, by_method, by_status, refunds, without_webhook
from console.web.visit import PageResult, PageRoute, View, Visit, urls_of

DAYS = 30


async def figures(visit: Visit) -> PageResult:
    """The last days in the reader's zone: whole days, and today until now."""
    chosen, zone, t = visit.query("merchant"), visit.clock.zone, visit.catalogue
    merchant = None if chosen is None else visit.validated(OfMerchant, {"merchant": chosen}).merchant
    today = datetime.fromtimestamp(visit.clock.now, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    since, until = today - timedelta(days=DAYS - 1), today + timedelta(days=1)
    offset = round((today.utcoffset() or timedelta()).total_seconds())
    found = await read_figures(visit.context, since.timestamp(), until.timestamp(), merchant=merchant, offset=offset)
    endpoints, merchants = await visit.endpoints(merchant), await visit.merchants()
    days = [(since + timedelta(days=number)).date() for number in range(DAYS)]
    lost, received = without_webhook(
        found.payments, found.notifications, days, lambda name: t.named("outcome", name) if name != "lost" else ""
    )
    values = {
        "days": days,
        "merchants": merchants,
        "chosen": {"merchant": merchant or ""},
        "statuses": by_status(found.payments, days, lambda name: t.named("status", name)),
        "methods": by_method(found.payments),
        "refunds": refunds(found.payments, days),
        "lost": lost,
        "received": received,
        "endpoints": by_endpoint(found.endpoints),
        "latencies": LATENCY_NAMES,
        "urls": urls_of(endpoints),
    }
    return View("figures", values)


PAGES = (PageRoute("/figures", figures),)
