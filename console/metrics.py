"""What the console exposes for Prometheus: the work that waits in the ledger, and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from console.context import Context
from console.operations.history_state import HistoryState, history_state
from console.operations.read_stats import webhook_loss_rate
from console.operations.redis_status import unless_refused
from ledger.heartbeats import Worker, running
from ledger.stats import Stats
from runtime.metrics import Metrics
from schemas.errors import LedgerUnavailable

Numbers = dict[str, float | None]

TEXTS = {
    "relay_redis_available": "Whether Redis is available.",
    "relay_ledger_works": "Whether Redis allows what the ledger needs.",
    "relay_queue_works": "Whether kicks reach the workers.",
    "relay_ledger_durable": "Whether Redis keeps what it acknowledges.",
    "relay_ledger_memory_ratio": "Share of maxmemory in use, 0 where there is none.",
    "relay_history_available": "Whether history is available.",
    "relay_history_behind_seconds": "How long the oldest change has waited to be written to history.",
    "relay_history_waiting": "Changes that are not written to history yet.",
    "relay_workers": "Workers that are running.",
    "relay_workers_quiet": "Workers without a heartbeat for 30 s.",
    "relay_spooled": "Notifications in all receivers' spools.",
    "relay_looks_due": "Payments that are due for a refresh.",
    "relay_oldest_look_seconds": "How long the oldest has waited for a worker.",
    "relay_looks_paused": "Due payments that i'mport, or the limit on unknown payments, holds back.",
    "relay_oldest_paused_look_seconds": "How long the oldest of these is due.",
    "relay_deliveries_pending": "Deliveries that are not settled.",
    "relay_deliveries_held": "Deliveries that wait for a disabled endpoint.",
    "relay_deliveries_dead": "Deliveries that are dead: all their attempts failed.",
    "relay_oldest_delivery_seconds": "How long the oldest that could be sent has waited for a worker.",
    "relay_deliveries_paused": "Due deliveries that their endpoint holds back.",
    "relay_oldest_paused_delivery_seconds": "How long the oldest of these is due.",
    "relay_endpoints_failing": "Enabled endpoints that fail.",
    "relay_endpoints_disabled": "Endpoints that are disabled, by themselves or by an operator.",
    "relay_webhook_loss_rate": "Share of webhooks that did not come, of the last seven days.",
}
"""All gauges, in the order in which they are exposed. A gauge whose value is unknown is left out."""


async def exposition(context: Context) -> bytes:
    """All gauges in Prometheus' text format; while Redis is away, only the one that says so."""
    try:
        numbers = await _numbers(context)
    except LedgerUnavailable:
        numbers = {"relay_redis_available": 0.0}
    metrics = Metrics()
    for name, text in TEXTS.items():
        metrics.gauge(name, text, partial(numbers.get, name))
    return metrics.exposition()


async def _numbers(context: Context) -> Numbers:
    """The numbers now; those that Redis refuses to give are left out. Raises `LedgerUnavailable`."""
    ledger = context.ledger
    durability = await unless_refused(ledger.durability())
    full = await unless_refused(ledger.memory())
    seen = await context.ledger.acl_watch.recent()
    numbers: Numbers = {
        "relay_redis_available": 1.0,
        "relay_ledger_works": float(seen.ledger is None),
        "relay_queue_works": float(seen.queue is None),
        "relay_ledger_durable": None if durability is None else float(durability.durable),
        "relay_ledger_memory_ratio": None if full is None else full.ratio or 0.0,
        "relay_webhook_loss_rate": await unless_refused(webhook_loss_rate(context)),
    }
    if (history := await unless_refused(history_state(context))) is not None:
        numbers |= _of_history(history)
    if (workers := await unless_refused(ledger.heartbeats.all())) is not None:
        numbers |= _of_workers(workers)
    if (stats := await unless_refused(ledger.stats())) is not None:
        numbers |= _of_stats(stats)
    if (endpoints := await unless_refused(ledger.endpoints.counts())) is not None:
        numbers |= {"relay_endpoints_failing": endpoints.failing, "relay_endpoints_disabled": endpoints.disabled}
    return numbers


def _of_history(history: HistoryState) -> Numbers:
    return {
        "relay_history_available": float(history.available),
        "relay_history_behind_seconds": history.behind_seconds,
        "relay_history_waiting": history.waiting,
    }


def _of_workers(workers: Sequence[Worker]) -> Numbers:
    alive = running(workers)
    return {"relay_workers": alive, "relay_workers_quiet": len(workers) - alive}


def _of_stats(stats: Stats) -> Numbers:
    return {
        "relay_spooled": stats.spooled,
        "relay_looks_due": stats.looks_due,
        "relay_oldest_look_seconds": stats.oldest_look or 0,
        "relay_looks_paused": stats.looks_paused,
        "relay_oldest_paused_look_seconds": stats.oldest_paused_look or 0,
        "relay_deliveries_pending": stats.pending,
        "relay_deliveries_held": stats.held,
        "relay_deliveries_dead": stats.dead,
        "relay_oldest_delivery_seconds": stats.oldest_delivery or 0,
        "relay_deliveries_paused": stats.deliveries_paused,
        "relay_oldest_paused_delivery_seconds": stats.oldest_paused_delivery or 0,
    }
