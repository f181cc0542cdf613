"""Alerts: what needs an operator's attention first, derived from the relay's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.operations.read_endpoints import EndpointView
from console.operations.read_merchants import MerchantView
from console.operations.read_payments import PaymentView
from console.operations.read_stats import RelayStats
from console.web import addresses
from console.web.alert_levels import Level
from ledger.heartbeats import Worker
from schemas.reasons import Reason
from schemas.thresholds import LATE, REFUSED_RECENTLY, STALE_CANCELLATION, VERY_LATE

_ORDER: Mapping[Level, int] = {"bad": 0, "warn": 1}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: `key` of the catalogue, the values to fill in, the page where it can be fixed, and reasons."""

    level: Level
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    link: str = ""
    reasons: tuple[Reason, ...] = ()


def alerts(
    stats: RelayStats,
    endpoints: Sequence[EndpointView],
    merchants: Sequence[MerchantView],
    pending: Sequence[PaymentView],
    refused: int,
    now: float,
) -> list[Alert]:
    """All alerts, the worst first. `pending` are payments with open cancellations, `refused` is the number of webhooks
    that were refused within the last hour."""
    broken = {"ledger": stats.allows.ledger, "queue": stats.allows.queue}
    problems = {name: problem.reason for name, problem in broken.items() if problem is not None}
    found = [
        *_standstill(stats, problems),
        *_workers(stats.workers, list(problems.values())),
        *_redis(stats),
        *_history(stats),
        *_merchants(merchants),
        *_endpoints(endpoints),
        *_deliveries(stats),
        *_late(stats),
        *_cancellations(pending, now),
        *_refused_bodies(stats, now),
    ]
    if refused:
        found.append(Alert("warn", "refused", {"n": refused}, "/notifications"))
    if stats.webhook_loss_rate:
        found.append(Alert("warn", "loss", {"rate": stats.webhook_loss_rate}, "/reconciliations"))
    if stats.numbers.receivers and stats.numbers.spooled:
        found.append(Alert("bad", "spool", {"n": stats.numbers.spooled}))
    if stats.numbers.spool_troubles:
        found.append(Alert("bad", "spool_broken", reasons=stats.numbers.spool_troubles))
    return sorted(found, key=lambda alert: _ORDER[alert.level])


def _standstill(stats: RelayStats, problems: Mapping[str, Reason]) -> list[Alert]:
    """Alerts about troubles that stop everything."""
    found = [Alert("bad", name, reasons=(problem,)) for name, problem in problems.items()]
    if stats.memory.nearly_full:
        return [Alert("bad", "full", {"rate": stats.memory.ratio or 0.0}), *found]
    return found


def _workers(workers: Sequence[Worker], known: Sequence[Reason]) -> list[Alert]:
    """Alerts about workers; `known` are problems that have an alert already."""
    quiet = [worker for worker in workers if worker.quiet]
    found = [] if len(quiet) < len(workers) else [Alert("bad", "no_worker")]
    if quiet:
        found.append(Alert("warn", "quiet", {"n": len(quiet)}))
    troubles: list[Reason] = []
    for worker in workers:
        if worker.trouble is not None and not worker.quiet and worker.trouble not in [*known, *troubles]:
            troubles.append(worker.trouble)
    if troubles:
        found.append(Alert("bad", "hindered", reasons=tuple(troubles)))
    return found


def _redis(stats: RelayStats) -> list[Alert]:
    durability = stats.durability
    return [] if durability.durable else [Alert("bad", "redis", reasons=durability.weaknesses)]


def _history(stats: RelayStats) -> list[Alert]:
    history = stats.history
    if not history.available:
        return [Alert("bad", "history_away", reasons=_one(history.reason))]
    return [] if history.is_well else [Alert("bad", "history_behind", {"seconds": history.behind_seconds})]


def _merchants(merchants: Sequence[MerchantView]) -> list[Alert]:
    return [
        Alert("bad", "iamport", {"merchant": row.merchant}, "/merchants", (row.stored.trouble,))
        for row in merchants
        if row.stored.trouble
    ]


def _endpoints(endpoints: Sequence[EndpointView]) -> list[Alert]:
    found = []
    for row in endpoints:
        values, link = {"url": row.endpoint.url, "rate": row.stored.success_rate}, f"/endpoints/{row.endpoint.id}"
        if row.stored.state == "disabled":
            found.append(Alert("bad", "disabled", values, link, _one(row.endpoint.disabled_reason)))
        elif row.stored.breaker != "closed":
            found.append(Alert("bad", "failing", values, link, _one(row.stored.last_error)))
    return found


def _one(reason: Reason | None) -> tuple[Reason, ...]:
    return () if reason is None else (reason,)


def _deliveries(stats: RelayStats) -> list[Alert]:
    found = []
    if stats.numbers.dead:
        found.append(Alert("bad", "dead", {"n": stats.numbers.dead}, "/deliveries?state=dead"))
    if stats.numbers.held:
        found.append(Alert("warn", "held", {"n": stats.numbers.held}, "/deliveries?state=held"))
    return found


def _late(stats: RelayStats) -> list[Alert]:
    found = []
    for oldest, key, link in (
        (stats.numbers.oldest_delivery, "late_deliveries", "/deliveries?state=pending"),
        (stats.numbers.oldest_look, "late_looks", ""),
    ):
        seconds = oldest or 0.0
        if seconds > LATE:
            found.append(Alert("bad" if seconds >= VERY_LATE else "warn", key, {"seconds": seconds}, link))
    return found


def _refused_bodies(stats: RelayStats, now: float) -> list[Alert]:
    return [
        Alert("warn", "version_2", {"merchant": row.merchant}, "/notifications")
        if row.code == "version_2"
        else Alert("warn", "bodies", {"merchant": row.merchant}, "/notifications", (row.reason,))
        for row in stats.numbers.refused_bodies
        if now - row.last_at <= REFUSED_RECENTLY
    ]


def _cancellations(pending: Sequence[PaymentView], now: float) -> list[Alert]:
    stale = [
        row.stored
        for row in pending
        if any(one.state == "open" and now - one.requested_at > STALE_CANCELLATION for one in row.cancellations)
    ]
    link = "/payments?status=cancellation_pending"
    if len(stale) == 1:
        link = addresses.payment(stale[0].merchant, stale[0].imp_uid)
    return [Alert("warn", "stale", {"n": len(stale)}, link)] if stale else []
