"""The numbers that show whether the relay keeps up, read from all cells of the ledger."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from console.context import Context
from console.operations.history_state import HistoryState, history_state
from console.operations.redis_status import redis_status
from ledger.acl_watch import RedisStatus
from ledger.durability import Durability
from ledger.endpoints import RegisteredEndpoint
from ledger.heartbeats import Worker
from ledger.memory import Memory
from ledger.minute_counts import Minute
from ledger.stats import RefusedBodies, Stats
from schemas.errors import LedgerRefused, LedgerUnavailable

MOST_ENDPOINTS = 10_000

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class RefusedWebhooks:
    """Webhooks that were refused since the ledger began: how many, by `merchant:status`, and why `bodies` were, the
    latest first."""

    counts: Mapping[str, int]
    bodies: Sequence[RefusedBodies]


async def read_stats(context: Context) -> RelayStats:
    """The numbers now. Raises `LedgerUnavailable`; if a right is missing, its text names the right and what to do."""
    return await _explained(context, _read(context))


async def read_refused(context: Context) -> RefusedWebhooks:
    """The refused webhooks. Raises `LedgerUnavailable` as `read_stats` does."""
    numbers = await _explained(context, context.ledger.stats())
    return RefusedWebhooks(numbers.refused, numbers.refused_bodies)


async def read_loss_rate(context: Context) -> float | None:
    """The webhook loss rate. Raises `LedgerUnavailable` as `read_stats` does."""
    return await _explained(context, webhook_loss_rate(context))


async def read_minutes(context: Context, count: int) -> Sequence[Minute]:
    """What happened in each of the last `count` minutes, the oldest first; the last one is under way. Raises
    `LedgerUnavailable`."""
    return await context.ledger.minutes(count)


async def read_durability(context: Context) -> Durability:
    """Whether Redis is durable. Raises `LedgerUnavailable`."""
    return await context.ledger.durability()


async def webhook_loss_rate(context: Context) -> float | None:
    """The share of webhooks of the last seven days that did not come; None if none was to be expected. Raises
    `LedgerUnavailable`."""
    lost, came = await context.ledger.reconciliations.webhook_losses()
    return round(lost / (lost + came), 6) if lost + came else None


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
        webhook_loss_rate=await webhook_loss_rate(context),
    )


async def _explained(context: Context, read: Awaitable[T]) -> T:
    """What was read. If Redis refuses it, the error that is raised names the missing right."""
    try:
        return await read
    except LedgerRefused as error:
        missing = (await context.ledger.acl_watch.recent()).ledger
        if missing is None:
            raise
        raise LedgerUnavailable(missing.reason) from error
