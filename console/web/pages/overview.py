"""The first page: what needs attention, then how the relay is doing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from console.operations.read_endpoints import EndpointView
from console.operations.read_merchants import newest_merchants
from console.operations.read_payments import PaymentView, list_payments
from console.operations.read_stats import read_minutes, read_stats
from console.web.alerts import alerts
from console.web.charts import Chart, columns
from console.web.visit import MOST_ROWS, PageResult, PageRoute, View, Visit
from history.pages import PageRequest
from ledger.heartbeats import running
from ledger.minute_counts import Minute
from schemas.errors import HistoryUnavailable

RANGES = {"1h": (60, 1), "6h": (360, 5), "24h": (1440, 20)}
"""The minutes that a chart shows, and the minutes of one column."""
_SERIES = ("accepted", "events", "delivered", "failed")


async def overview(visit: Visit) -> PageResult:
    """The overview: alerts, recent activity, waiting work."""
    wanted = visit.query("range")
    chosen = wanted if wanted in RANGES else "1h"
    count, size = RANGES[chosen]
    stats, endpoints, merchants, pending, past = await asyncio.gather(
        read_stats(visit.context),
        visit.endpoints(),
        newest_merchants(visit.context, MOST_ROWS),
        _pending(visit),
        read_minutes(visit.context, count),
    )
    refused = sum(minute.refused for minute in past[-60:])
    values = {
        "stats": stats,
        "workers_running": running(stats.workers),
        "alerts": alerts(stats, endpoints, merchants, pending, refused, visit.clock.now),
        "charts": {name: _chart(visit, past, name, size) for name in _SERIES},
        "size": size,
        "begins_at": past[0].at,
        "range": chosen,
        "ranges": tuple(RANGES),
        "endpoints": sorted(endpoints, key=_worst_first)[:12],
        "endpoint_count": len(endpoints),
    }
    return View("overview", values, live=("overview",))


async def _pending(visit: Visit) -> Sequence[PaymentView]:
    """Payments with a cancellation whose result is unknown; none while history is away, as history lists them."""
    try:
        return (await list_payments(visit.context, PageRequest(MOST_ROWS), status="cancellation_pending")).rows
    except HistoryUnavailable:
        return ()


def _chart(visit: Visit, past: Sequence[Minute], name: str, size: int) -> Chart:
    parts = [past[place : place + size] for place in range(0, len(past), size)]
    values = [sum(getattr(minute, name) for minute in part) for part in parts]
    labels = [f"{visit.clock.text(part[0].at)}: {value}" for part, value in zip(parts, values, strict=True)]
    return columns(values, labels)


def _worst_first(row: EndpointView) -> tuple[int, float]:
    health = row.stored
    trouble = 0 if health.state == "disabled" else 1 if health.breaker != "closed" else 2
    return trouble, 1.0 if health.success_rate is None else health.success_rate


PAGES = (PageRoute("/", overview),)
