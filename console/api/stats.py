"""The numbers that say whether the relay keeps up."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from console.api.models import Nothing, Out, Parameters
from console.api.operation import Answer, Call, Operation
from ledger.pages import Slice
from ledger.stats import stats
from schemas.body_reasons import words
from schemas.times import rfc3339


class RefreshStats(Out):
    """Payments that are to be looked at."""

    due: int
    oldest_due_seconds: float | None


class DeliveryStats(Out):
    """Deliveries that are not settled, and dead ones."""

    pending: int
    dead: int
    held: int
    oldest_due_seconds: float | None


class EndpointStats(Out):
    """How an endpoint is doing."""

    id: str
    success_rate: float | None
    breaker: Literal["closed", "open", "half_open"]


class RedisStats(Out):
    """Whether what is acknowledged is safe."""

    durable: bool
    reasons: list[str]


class SpoolStats(Out):
    """What waits on receivers' disks for Redis to take it."""

    waiting: int
    receivers: int


class RefusedBodiesOut(Out):
    """Webhooks that were answered with 400, which i'mport does not send again."""

    merchant: str = Field(description="`-` where none was known by that name")
    reason: str = Field(description="the likely cause, in words")
    reason_code: str
    count: int = Field(description="since the ledger began")
    last_at: str


class StatsOut(Out):
    """All numbers."""

    refresh: RefreshStats
    deliveries: DeliveryStats
    endpoints: list[EndpointStats]
    refused: dict[str, int] = Field(description="webhooks that were turned away, by merchant and status")
    refused_bodies: list[RefusedBodiesOut] = Field(description="why bodies were refused, the latest first; 200 at most")
    spool: SpoolStats | None = Field(description="null where no receiver has reported within a minute")
    redis: RedisStats
    webhook_loss_rate: float | None = Field(description="of the last seven days; null where there was nothing to lose")


MOST_ENDPOINTS = 1000


async def get(call: Call[Parameters, Nothing]) -> Answer:
    """The numbers now."""
    ledger = call.context.ledger
    numbers = await stats(ledger.store)
    durability = await ledger.durability()
    lost, came = await ledger.reconciliations.webhook_losses()
    endpoints = await ledger.endpoints.list(Slice(MOST_ENDPOINTS))
    return Answer(
        StatsOut(
            refresh=RefreshStats(due=numbers.looks_due, oldest_due_seconds=numbers.oldest_look),
            deliveries=DeliveryStats(
                pending=numbers.pending,
                dead=numbers.dead,
                held=numbers.held,
                oldest_due_seconds=numbers.oldest_delivery,
            ),
            endpoints=[
                EndpointStats(id=row.endpoint.id, success_rate=row.success_rate, breaker=row.breaker)
                for row in endpoints.rows
            ],
            refused=numbers.refused,
            refused_bodies=[
                RefusedBodiesOut(
                    merchant=row.merchant,
                    reason=words(row.reason),
                    reason_code=row.reason,
                    count=row.count,
                    last_at=rfc3339(row.last_at),
                )
                for row in numbers.refused_bodies
            ],
            spool=SpoolStats(waiting=numbers.spooled, receivers=numbers.receivers) if numbers.receivers else None,
            redis=RedisStats(durable=durability.durable, reasons=list(durability.reasons)),
            webhook_loss_rate=round(lost / (lost + came), 6) if lost + came else None,
        )
    )


OPERATIONS = (Operation("GET", "/v1/stats", "Numbers", get, {200: StatsOut}),)
