"""The numbers that say whether the relay keeps up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from console.http.models import Nothing, Out, Parameters, ReasonCode, ReasonText, Time, code_of, time
from console.http.operation import Call, Operation, OperationResult
from ledger.acl import AclProblem
from ledger.durability import Durability
from ledger.heartbeats import Worker
from ledger.ledger import Ledger
from ledger.memory import Memory, memory
from ledger.pages import PageRequest
from ledger.stats import stats
from schemas.errors import LedgerRefused, LedgerUnavailable
from schemas.reasons.reason import of_row
from schemas.times import rfc3339

MOST_ENDPOINTS = 10_000
_PAGE = 1_000


class RefreshStats(Out):
    """Payments that are to be looked at."""

    due: int
    oldest_due_seconds: float | None = Field(description="for how long no worker has come for what could be looked at")
    paused: int = Field(description="due, but i'mport fails, or unknown ones keep their pace")
    oldest_paused_seconds: float | None


class DeliveryStats(Out):
    """Deliveries that are not settled, and dead ones."""

    pending: int
    dead: int
    held: int
    oldest_due_seconds: float | None = Field(description="for how long no worker has come for what could be sent")
    paused: int = Field(description="due, but the endpoint's breaker, Retry-After or limits keep them waiting")
    oldest_paused_seconds: float | None


class EndpointStats(Out):
    """How an endpoint is doing."""

    id: str
    success_rate: float | None
    breaker: Literal["closed", "open", "half_open"]


class RedisStats(Out):
    """Whether what is acknowledged is safe."""

    durable: bool
    reasons: list[ReasonText]
    reason_codes: list[str]


class SpoolStats(Out):
    """What waits on receivers' disks for Redis to take it."""

    waiting: int
    receivers: int


class RefusedBodiesOut(Out):
    """Webhooks that were answered with 400, which i'mport does not send again."""

    merchant: str = Field(description="`-` where none was known by that name")
    reason: ReasonText = Field(description="the likely cause, in words")
    reason_code: str
    count: int = Field(description="since the ledger began")
    last_at: str


class WorksOut(Out):
    """Whether something can be worked with at all, as this console sees it."""

    works: bool
    reason: ReasonText | None = Field(description="why not, and what to do, in words")
    reason_code: ReasonCode


class MemoryOut(Out):
    """How full Redis is."""

    used_bytes: int
    max_bytes: int | None = Field(description="`maxmemory`; null where there is none")
    ratio: float | None
    nearly_full: bool = Field(description="nothing new is begun")


class WorkerOut(Out):
    """A worker process that has left a sign of life within the last ten minutes."""

    name: str
    version: str
    state: Literal["running", "quiet"] = Field(description="`quiet`: not heard of for half a minute")
    since: Time
    seen_at: Time
    last_lane: str | None = Field(description="whose turn it was last: `deliver/ep_…`, `refresh/{merchant}`, `job/…`")
    last_at: Time | None
    trouble: ReasonText | None = Field(description="what keeps it from working, in words")
    trouble_code: ReasonCode


class StatsOut(Out):
    """All numbers."""

    refresh: RefreshStats
    deliveries: DeliveryStats
    endpoints: list[EndpointStats]
    endpoints_left_out: bool = Field(description=f"there are more than the {MOST_ENDPOINTS:,} that are listed")
    workers: list[WorkerOut]
    refused: dict[str, int] = Field(description="webhooks that were turned away, by merchant and status")
    refused_bodies: list[RefusedBodiesOut] = Field(description="why bodies were refused, the latest first; 200 at most")
    spool: SpoolStats | None = Field(description="null where no receiver has reported within a minute")
    redis: RedisStats
    memory: MemoryOut
    ledger: WorksOut = Field(description="whether Redis lets this console do what the ledger needs")
    queue: WorksOut = Field(description="the same for the queue that tells workers of work")
    webhook_loss_rate: float | None = Field(description="of the last seven days; null where there was nothing to lose")


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """The numbers now. Raises `LedgerUnavailable`: where a right is missing, with its name and what to do."""
    try:
        return await _numbers(call)
    except LedgerRefused as error:
        trouble = (await call.context.watch.recent()).ledger
        if trouble is None:
            raise
        raise LedgerUnavailable(trouble.reason) from error


async def _numbers(call: Call[Parameters, Nothing]) -> OperationResult:
    ledger = call.context.ledger
    numbers = await stats(ledger.store)
    durability = await ledger.durability()
    lost, came = await ledger.reconciliations.webhook_losses()
    endpoints, left_out = await _endpoints(ledger)
    seen = await call.context.watch.recent()
    return OperationResult(
        StatsOut(
            refresh=RefreshStats(
                due=numbers.looks_due,
                oldest_due_seconds=numbers.oldest_look,
                paused=numbers.looks_paused,
                oldest_paused_seconds=numbers.oldest_paused_look,
            ),
            deliveries=DeliveryStats(
                pending=numbers.pending,
                dead=numbers.dead,
                held=numbers.held,
                oldest_due_seconds=numbers.oldest_delivery,
                paused=numbers.deliveries_paused,
                oldest_paused_seconds=numbers.oldest_paused_delivery,
            ),
            endpoints=endpoints,
            endpoints_left_out=left_out,
            workers=[_worker(worker) for worker in await ledger.heartbeats.all()],
            refused=numbers.refused,
            refused_bodies=[
                RefusedBodiesOut(
                    merchant=row.merchant,
                    reason=of_row({"code": row.reason}),
                    reason_code=row.reason,
                    count=row.count,
                    last_at=rfc3339(row.last_at),
                )
                for row in numbers.refused_bodies
            ],
            spool=SpoolStats(waiting=numbers.spooled, receivers=numbers.receivers) if numbers.receivers else None,
            redis=redis_out(durability),
            memory=memory_out(await memory(ledger.store)),
            ledger=works(seen.ledger),
            queue=works(seen.queue),
            webhook_loss_rate=round(lost / (lost + came), 6) if lost + came else None,
        )
    )


def works(trouble: AclProblem | None) -> WorksOut:
    """Whether nothing keeps it from working."""
    return WorksOut(
        works=trouble is None,
        reason=None if trouble is None else trouble.reason,
        reason_code=None if trouble is None else trouble.reason.decisive,
    )


def redis_out(found: Durability) -> RedisStats:
    """How safe Redis is, as the API shows it."""
    codes = [weakness.code for weakness in found.weaknesses]
    return RedisStats(durable=found.durable, reasons=list(found.weaknesses), reason_codes=codes)


def memory_out(full: Memory) -> MemoryOut:
    """How full Redis is, as the API shows it."""
    return MemoryOut(used_bytes=full.used, max_bytes=full.most or None, ratio=full.ratio, nearly_full=full.nearly_full)


def _worker(worker: Worker) -> WorkerOut:
    return WorkerOut(
        name=worker.name,
        version=worker.version,
        state="quiet" if worker.quiet else "running",
        since=rfc3339(worker.since),
        seen_at=rfc3339(worker.seen_at),
        last_lane=worker.last_lane,
        last_at=time(worker.last_at),
        trouble=worker.trouble,
        trouble_code=code_of(worker.trouble),
    )


async def _endpoints(ledger: Ledger) -> tuple[list[EndpointStats], bool]:
    """How each is doing, and whether there are more."""
    found: list[EndpointStats] = []
    part = PageRequest(_PAGE)
    while True:
        page = await ledger.endpoints.list(part)
        found += [
            EndpointStats(id=row.endpoint.id, success_rate=row.success_rate, breaker=row.breaker) for row in page.rows
        ]
        if page.next_cursor is None or len(found) >= MOST_ENDPOINTS:
            return found, page.next_cursor is not None
        part = PageRequest(_PAGE, page.next_cursor)


OPERATIONS = (Operation("GET", "/v1/stats", "Numbers", get, {200: StatsOut}),)
