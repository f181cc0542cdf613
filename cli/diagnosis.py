"""Findings from the answer of `GET /v1/stats`, each with what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from schemas.reasons.english_words import FREE_MEMORY
from schemas.thresholds import FAR_BEHIND, LATE, REFUSED_RECENTLY
from schemas.times import unix

Outcome = Literal["ok", "warning", "bad"]

_BODY_ADVICE = {
    "version_2": "choose webhook version V1 in i'mport's console; `relay reconcile` finds what was missed",
}
_ANY_BODY_ADVICE = "find out who posts there; if it is i'mport, check the webhook's settings in its console"
_START_ONE = "start a worker: `python -m workers`"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, and what to do about it."""

    subject: str
    outcome: Outcome
    text: str
    advice: str | None = None


def of_stats(stats: dict[str, Any]) -> Iterator[Finding]:
    """All findings from the answer of `GET /v1/stats`."""
    yield durability_of(stats["redis"]["durable"], stats["redis"]["reasons"])
    yield _memory(stats["memory"])
    for name in ("ledger", "queue"):
        yield ledger_or_queue(name, stats[name]["reason"])
    yield from _workers(stats["workers"], {stats[name]["reason"] for name in ("ledger", "queue")})
    yield from _backlog(stats)
    yield _history(stats["history"])
    yield from _bodies(stats["refused_bodies"])
    yield from _old_copy(stats["old_copy"])


def durability_of(durable: bool, reasons: list[str]) -> Finding:
    """Whether Redis is configured durably."""
    if durable:
        return Finding("redis", "ok", "durable: append-only file, fsync always, no eviction")
    advice = "set appendonly yes, appendfsync always, maxmemory-policy noeviction"
    return Finding("redis", "bad", f"not durable: {'; '.join(reasons)}", advice)


def _memory(memory: dict[str, Any]) -> Finding:
    if memory["ratio"] is None:
        return Finding("memory", "ok", "this Redis has no maxmemory")
    text = f"{100 * float(memory['ratio']):.0f} % of Redis' maxmemory are in use"
    if memory["nearly_full"]:
        return Finding("memory", "bad", f"{text}: no new work is started", FREE_MEMORY)
    return Finding("memory", "ok", text)


def _history(history: dict[str, Any]) -> Finding:
    behind, waiting = float(history["behind_seconds"]), history["waiting"]
    if not history["available"]:
        text = f"{history['reason']}; {waiting} changes wait in Redis, the oldest for {behind:.0f} s"
        advice = "start its database, see RELAY_HISTORY_URL; webhooks and callbacks go on meanwhile, lists answer 503"
        return Finding("history", "bad", text, advice)
    if behind > FAR_BEHIND:
        text = f"is {behind:.0f} s behind: {waiting} changes are not written to it yet"
        return Finding("history", "warning", text, "see the workers' logs: one of them writes to history")
    return Finding("history", "ok", "has everything" if not waiting else f"is {behind:.1f} s behind")


def ledger_or_queue(name: str, reason: str | None) -> Finding:
    """Whether ledger or queue can be used; `reason` says why not, and what to do."""
    if reason is None:
        return Finding(name, "ok", "this console has the rights it needs")
    return Finding(name, "bad", reason)


def _workers(workers: list[dict[str, Any]], known: set[str | None]) -> Iterator[Finding]:
    running = [worker for worker in workers if worker["state"] == "running"]
    if not running:
        yield Finding("workers", "bad", "no workers are running: nothing is looked up or delivered", _START_ONE)
    else:
        yield Finding(
            "workers", "ok", f"{len(running)} workers are running" if len(running) > 1 else "1 worker is running"
        )
    for worker in running:
        if worker["trouble"] and worker["trouble"] not in known:
            yield Finding(f"worker {worker['name']}", "bad", worker["trouble"], "fix this on the worker's host")
    for worker in workers:
        if worker["state"] == "quiet":
            text = f"no heartbeat since {worker['seen_at']}"
            yield Finding(f"worker {worker['name']}", "warning", text, "killed or hanging: see its log, restart it")


def _backlog(stats: dict[str, Any]) -> Iterator[Finding]:
    oldest = max(float(stats[part_]["oldest_due_seconds"] or 0) for part_ in ("refresh", "deliveries"))
    if oldest > LATE:
        text = f"due work has waited for {oldest:.0f} s"
        yield Finding("backlog", "warning", text, first_to_fix(stats) or "the workers do not keep up: run more of them")
    else:
        yield Finding("backlog", "ok", "no due work is waiting")
    if _long(stats["refresh"]):
        text = f"{stats['refresh']['paused']} payments wait to be looked up"
        yield Finding("i'mport", "warning", text, "see what is wrong with i'mport: `relay merchants list`")
    if _long(stats["deliveries"]):
        text = f"{stats['deliveries']['paused']} due deliveries wait for their endpoints"
        yield Finding("endpoints", "warning", text, "see which fail or are slow: `relay endpoints list`")
    if stats["deliveries"]["dead"]:
        text = f"{stats['deliveries']['dead']} deliveries are dead"
        yield Finding("deliveries", "warning", text, "see `relay deliveries list --state dead`, then retry them")


def _bodies(refused: list[dict[str, Any]]) -> Iterator[Finding]:
    for row in refused:
        if time.time() - unix(row["last_at"]) > REFUSED_RECENTLY:
            continue
        of = f"merchant {row['merchant']}" if row["merchant"] != "-" else "unknown merchants"
        text = f"{row['count']} were refused and are lost, the last at {row['last_at']}: {row['reason']}"
        yield Finding(f"webhooks of {of}", "warning", text, _BODY_ADVICE.get(row["reason_code"], _ANY_BODY_ADVICE))


def _old_copy(old: dict[str, Any] | None) -> Iterator[Finding]:
    if old is not None:
        text = f"Redis came back at {old['until']} with an old copy: it lacks what happened since {old['since']}"
        yield Finding("old copy", "warning", text, f"`relay reconcile --since {old['since']}`, unless that was done")


def first_to_fix(stats: dict[str, Any]) -> str | None:
    """What to fix first if no work at all is done; None if work is done."""
    if stats["memory"]["nearly_full"]:
        return "free memory in Redis first, see above"
    for name in ("ledger", "queue"):
        if not stats[name]["works"]:
            return f"fix the {name} first, see above"
    return None if any(worker["state"] == "running" for worker in stats["workers"]) else _START_ONE


def _long(group: dict[str, Any]) -> bool:
    return float(group["oldest_paused_seconds"] or 0) > LATE
