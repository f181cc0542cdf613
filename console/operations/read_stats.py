"""The numbers that show whether the relay keeps up, read from all over the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from console.context import Context
from console.operations.redis_status import redis_status
from ledger.acl_watch import RedisStatus
from ledger.durability import Durability
from ledger.endpoints import RegisteredEndpoint
from ledger.heartbeats import Worker
from ledger.ledger import Ledger
from ledger.memory import Memory
from ledger.pages import PageRequest
from ledger.stats import Stats
from schemas.errors import LedgerRefused, LedgerUnavailable

MOST_ENDPOINTS = 10_000
_PAGE_SIZE = 1_000


@dataclass(frozen=True, slots=True)
class RelayStats:
    """All numbers: of lanes (`numbers`), of workers, of Redis (`durability`, `memory`, and what it `allows`).

    `endpoints` are at most `MOST_ENDPOINTS`; `endpoints_left_out`: there are more. `webhook_loss_rate` is of the last
    seven days, None where there was nothing to lose.
    """

    numbers: Stats
    endpoints: Sequence[RegisteredEndpoint]
    endpoints_left_out: bool
    workers: Sequence[Worker]
    durability: Durability
    memory: Memory
    allows: RedisStatus
    webhook_loss_rate: float | None


async def read_stats(context: Context) -> RelayStats:
    """The numbers now. Raises `LedgerUnavailable`: where a right is missing, with its name and what to do."""
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
    lost, came = await ledger.reconciliations.webhook_losses()
    endpoints, left_out = await _endpoints(ledger)
    allows = await redis_status(context)
    return RelayStats(
        numbers=numbers,
        endpoints=endpoints,
        endpoints_left_out=left_out,
        workers=await ledger.heartbeats.all(),
        durability=durability,
        memory=await ledger.memory(),
        allows=allows,
        webhook_loss_rate=round(lost / (lost + came), 6) if lost + came else None,
    )


async def _endpoints(ledger: Ledger) -> tuple[list[RegisteredEndpoint], bool]:
    """Endpoints, newest first, and whether there are more."""
    found: list[RegisteredEndpoint] = []
    part = PageRequest(_PAGE_SIZE)
    while True:
        page = await ledger.endpoints.list(part)
        found += page.rows
        if page.next_cursor is None or len(found) >= MOST_ENDPOINTS:
            return found, page.next_cursor is not None
        part = PageRequest(_PAGE_SIZE, page.next_cursor)
