"""The numbers that show whether the relay keeps up, read from all cells of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.context import Context
from console.operations.history_state import HistoryState, history_state
from console.operations.redis_status import redis_status
from ledger.acl_watch import RedisStatus
from ledger.durability import Durability
from ledger.endpoints import RegisteredEndpoint
from ledger.heartbeats import Worker
from ledger.ledger import Ledger
from ledger.memory import Memory
from ledger.stats import Stats
from schemas.errors import LedgerRefused, LedgerUnavailable

MOST_ENDPOINTS = 10_000


@dataclass(frozen=True, slots=True)
class RelayStats:
    """All numbers: of lanes (`numbers`), of workers, of Redis (`durability`, `memory`, and what it `allows`), of
    `history`.

    `endpoints` has at most `MOST_ENDPOINTS`; `endpoints_left_out`: there are more. `webhook_loss_rate` is of the last
    seven days, None if no webhook was to be expected in them.
    """

    numbers: Stats
    endpoints: Sequence[RegisteredEndpoint]
    endpoints_left_out: bool
    workers: Sequence[Worker]
    durability: Durability
    memory: Memory
    allows: RedisStatus
    history: HistoryState
    webhook_loss_rate: float | None


async def read_stats(context: Context) -> RelayStats:
    """The numbers now. Raises `LedgerUnavailable`; if a right is missing, its text names the right and what to do."""
    try:
        return await _read(context)
    except LedgerRefused as error:
        missing = (await context.watch.recent()).ledger
        if missing is None:
            raise
        raise LedgerUnavailable(missing.reason) from error


async def _read(context: Context) -> RelayStats:
    ledger = context.ledger
    numbers = await ledger.stats()
    durability = await ledger.durability()
    endpoints = await ledger.endpoints.newest(MOST_ENDPOINTS + 1)
    allows = await redis_status(context)
    return RelayStats(
        numbers=numbers,
        endpoints=endpoints[:MOST_ENDPOINTS],
        endpoints_left_out=len(endpoints) > MOST_ENDPOINTS,
        workers=await ledger.heartbeats.all(),
        durability=durability,
        memory=await ledger.memory(),
        allows=allows,
        history=await history_state(context),
        webhook_loss_rate=await webhook_loss_rate(ledger),
    )


async def webhook_loss_rate(ledger: Ledger) -> float | None:
    """The share of webhooks of the last seven days that did not come; None if none was to be expected. Raises
    `LedgerUnavailable`."""
    lost, came = await ledger.reconciliations.webhook_losses()
    return round(lost / (lost + came), 6) if lost + came else None
