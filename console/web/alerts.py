"""What an operator should look at first, worked out from the relay's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from console.web import addresses
from console.web.levels import Level
from schemas.reasons import Reason
from schemas.times import unix

LATE = 60.0
"""Seconds after which something due is late, and the relay does not keep up."""
VERY_LATE = 300.0
STALE_CANCELLATION = 7 * 86400.0
"""Seconds after which an open cancellation asks for an operator."""
RECENT = 86400.0
"""Seconds for which it is worth a word that a webhook's body was refused."""

_ORDER: Mapping[Level, int] = {"bad": 0, "warn": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Alert:
    """One matter: `key` of the catalogue, what is filled in, where to put it right, and reasons."""

    level: Level
    key: str
    values: Mapping[str, Any] = field(default_factory=dict)
    link: str = ""
    reasons: tuple[Reason, ...] = ()


def concerns(
    stats: Mapping[str, Any],
    endpoints: Sequence[Mapping[str, Any]],
    merchants: Sequence[Mapping[str, Any]],
    pending: Sequence[Mapping[str, Any]],
    refused: int,
    now: float,
) -> list[Alert]:
    """The worst first. `pending` are payments with open cancellations, `refused` the last hour's refused webhooks."""
    found = [
        *_standing(stats),
        *_workers(stats["workers"], [stats[name]["reason"] for name in ("ledger", "queue")]),
        *_redis(stats),
        *_merchants(merchants),
        *_endpoints(endpoints),
        *_deliveries(stats),
        *_late(stats),
        *_cancellations(pending, now),
    ]
    found += _bodies(stats, now)
    if refused:
        found.append(Alert("warn", "refused", {"n": refused}, "/notifications"))
    if stats["webhook_loss_rate"]:
        found.append(Alert("warn", "loss", {"rate": float(stats["webhook_loss_rate"])}, "/reconciliations"))
    if stats["spool"] and stats["spool"]["waiting"]:
        found.append(Alert("bad", "spool", {"n": stats["spool"]["waiting"]}))
    return sorted(found, key=lambda concern: _ORDER[concern.level])


def _standing(stats: Mapping[str, Any]) -> list[Alert]:
    """What keeps everything from going on."""
    broken = [name for name in ("ledger", "queue") if not stats[name]["works"]]
    found = [Alert("bad", name, reasons=(stats[name]["reason"],)) for name in broken]
    if stats["memory"]["nearly_full"]:
        return [Alert("bad", "full", {"rate": float(stats["memory"]["ratio"])}), *found]
    return found


def _workers(workers: Sequence[Mapping[str, Any]], known: Sequence[Reason | None]) -> list[Alert]:
    """`known` are reasons that are shown already."""
    quiet = [worker for worker in workers if worker["state"] == "quiet"]
    found = [] if len(quiet) < len(workers) else [Alert("bad", "no_worker")]
    if quiet:
        found.append(Alert("warn", "quiet", {"n": len(quiet)}))
    troubles: list[Reason] = []
    for worker in workers:
        if worker["state"] == "running" and worker["trouble"] and worker["trouble"] not in [*known, *troubles]:
            troubles.append(worker["trouble"])
    if troubles:
        found.append(Alert("bad", "hindered", reasons=tuple(troubles)))
    return found


def _redis(stats: Mapping[str, Any]) -> list[Alert]:
    redis = stats["redis"]
    return [] if redis["durable"] else [Alert("bad", "redis", reasons=tuple(redis["reasons"]))]


def _merchants(merchants: Sequence[Mapping[str, Any]]) -> list[Alert]:
    return [
        Alert("bad", "iamport", {"merchant": row["merchant"]}, "/merchants", (row["trouble"],))
        for row in merchants
        if row["trouble"]
    ]


def _endpoints(endpoints: Sequence[Mapping[str, Any]]) -> list[Alert]:
    found = []
    for row in endpoints:
        values, link = {"url": row["url"], "rate": row["success_rate"]}, f"/endpoints/{row['id']}"
        if row["state"] == "disabled":
            found.append(Alert("bad", "disabled", values, link, _one(row["disabled_reason"])))
        elif row["breaker"] != "closed":
            found.append(Alert("bad", "failing", values, link, _one(row["last_error"])))
    return found


def _one(reason: Reason | None) -> tuple[Reason, ...]:
    return () if reason is None else (reason,)


def _deliveries(stats: Mapping[str, Any]) -> list[Alert]:
    found = []
    if stats["deliveries"]["dead"]:
        found.append(Alert("bad", "dead", {"n": stats["deliveries"]["dead"]}, "/deliveries?state=dead"))
    if stats["deliveries"]["held"]:
        found.append(Alert("warn", "held", {"n": stats["deliveries"]["held"]}, "/deliveries?state=held"))
    return found


def _late(stats: Mapping[str, Any]) -> list[Alert]:
    found = []
    for group, key, link in (
        ("deliveries", "late_deliveries", "/deliveries?state=pending"),
        ("refresh", "late_looks", ""),
    ):
        seconds = float(stats[group]["oldest_due_seconds"] or 0)
        if seconds >= LATE:
            found.append(Alert("bad" if seconds >= VERY_LATE else "warn", key, {"seconds": seconds}, link))
    return found


def _bodies(stats: Mapping[str, Any], now: float) -> list[Alert]:
    return [
        Alert(
            "warn",
            "version_2" if row["reason_code"] == "version_2" else "bodies",
            {"merchant": row["merchant"]},
            "/notifications",
            () if row["reason_code"] == "version_2" else (row["reason"],),
        )
        for row in stats["refused_bodies"]
        if now - unix(row["last_at"]) < RECENT
    ]


def _cancellations(pending: Sequence[Mapping[str, Any]], now: float) -> list[Alert]:
    stale = [
        row
        for row in pending
        if any(
            one["state"] == "open" and one["requested_at"] and now - unix(one["requested_at"]) > STALE_CANCELLATION
            for one in row["cancellations"]
        )
    ]
    link = "/payments?status=cancellation_pending"
    if len(stale) == 1:
        link = addresses.payment(stale[0]["merchant"], stale[0]["imp_uid"])
    return [Alert("warn", "stale", {"n": len(stale)}, link)] if stale else []
