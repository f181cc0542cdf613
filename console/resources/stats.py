"""The numbers that show whether the relay keeps up."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasPath, BeforeValidator, ConfigDict, Field

from console.http.models import Nothing, Out, Parameters, ReasonCode, ReasonText, Time, also_in
from console.http.operation import Call, Operation, OperationResult
from console.operations.read_stats import MOST_ENDPOINTS, read_stats
from ledger.acl import AclProblem
from ledger.stats import Stats


class RefreshStats(Out):
    """Payments that are due for a refresh."""

    due: int = Field(validation_alias="looks_due")
    oldest_due_seconds: float | None = Field(
        validation_alias="oldest_look", description="how long the oldest of them has waited for a worker"
    )
    paused: int = Field(
        validation_alias="looks_paused",
        description="due, but held back: i'mport fails, or unknown payments are looked up at a limited rate",
    )
    oldest_paused_seconds: float | None = Field(validation_alias="oldest_paused_look")


class DeliveryStats(Out):
    """Deliveries that are not settled, and dead ones."""

    pending: int
    dead: int
    held: int
    oldest_due_seconds: float | None = Field(
        validation_alias="oldest_delivery", description="how long the oldest that could be sent has waited for a worker"
    )
    paused: int = Field(
        validation_alias="deliveries_paused",
        description="due, but the endpoint's breaker, Retry-After or limits keep them waiting",
    )
    oldest_paused_seconds: float | None = Field(validation_alias="oldest_paused_delivery")


class EndpointStats(Out):
    """An endpoint's health."""

    model_config = ConfigDict(alias_generator=also_in("endpoint"))

    id: str
    success_rate: float | None
    breaker: Literal["closed", "open", "half_open"]


class RedisStats(Out):
    """Whether Redis stores durably what it acknowledges."""

    durable: bool
    reasons: list[ReasonText] = Field(validation_alias="weaknesses")
    reason_codes: list[ReasonCode] = Field(validation_alias="weaknesses")


class SpoolStats(Out):
    """Notifications in receivers' spools, waiting for Redis."""

    waiting: int = Field(validation_alias="spooled")
    receivers: int
    reasons: list[ReasonText] = Field(validation_alias="spool_troubles", description="why some store nothing, in words")
    reason_codes: list[ReasonCode] = Field(validation_alias="spool_troubles")


class RefusedBodiesOut(Out):
    """Webhooks that were answered with 400, which i'mport does not send again."""

    merchant: str = Field(description="`-` where none was known by that name")
    reason: ReasonText = Field(description="the likely cause, in words")
    reason_code: str = Field(validation_alias="code")
    count: int = Field(description="since the ledger began")
    last_at: Time


class WorksOut(Out):
    """Whether ledger or queue can be used, as this console sees it."""

    works: bool
    reason: ReasonText | None = Field(description="why not, and what to do, in words")
    reason_code: ReasonCode = Field(validation_alias="reason")


def works(problem: AclProblem | None) -> WorksOut:
    """Whether nothing keeps it from working."""
    reason = None if problem is None else problem.reason
    return WorksOut.model_validate({"works": problem is None, "reason": reason})


Works = Annotated[WorksOut, BeforeValidator(works)]
"""An `AclProblem`, or None, as the API shows it."""


class MemoryOut(Out):
    """How full Redis is."""

    used_bytes: int = Field(validation_alias="used")
    max_bytes: Annotated[int | None, BeforeValidator(lambda most: most or None)] = Field(
        validation_alias="most", description="`maxmemory`; null where there is none"
    )
    ratio: float | None
    nearly_full: bool = Field(description="nothing new is claimed")


class WorkerOut(Out):
    """A worker process whose last heartbeat is no older than ten minutes."""

    name: str
    version: str
    state: Annotated[Literal["running", "quiet"], BeforeValidator(lambda quiet: "quiet" if quiet else "running")] = (
        Field(validation_alias="quiet", description="`quiet`: no heartbeat for half a minute")
    )
    since: Time
    seen_at: Time
    last_lane: str | None = Field(
        description="the lane that it worked on last: `deliver/ep_…`, `refresh/{merchant}`, `job/…`"
    )
    last_at: Time | None
    trouble: ReasonText | None = Field(description="what keeps it from working, in words")
    trouble_code: ReasonCode = Field(validation_alias="trouble")


class OldCopyOut(Out):
    """Redis came back with a copy that lacks what happened then; `relay reconcile` finds it at i'mport."""

    since: Time
    until: Time


class HistoryOut(Out):
    """Whether history can be read, and how much it does not have yet."""

    available: bool
    behind_seconds: float = Field(description="for how long the oldest change has waited to be written to history")
    waiting: int = Field(description="changes that are not written to history yet")
    reason: ReasonText | None = Field(description="why it cannot be read, in words")
    reason_code: ReasonCode = Field(validation_alias="reason")


def _reported(numbers: Stats) -> Stats | None:
    return numbers if numbers.receivers else None


class StatsOut(Out):
    """All numbers."""

    refresh: RefreshStats = Field(validation_alias="numbers")
    deliveries: DeliveryStats = Field(validation_alias="numbers")
    endpoints: list[EndpointStats]
    endpoints_left_out: bool = Field(description=f"there are more than the {MOST_ENDPOINTS:,} that are listed")
    workers: list[WorkerOut]
    refused: dict[str, int] = Field(
        validation_alias=AliasPath("numbers", "refused"),
        description="refused webhooks, by merchant and status",
    )
    refused_bodies: list[RefusedBodiesOut] = Field(
        validation_alias=AliasPath("numbers", "refused_bodies"),
        description="why bodies were refused, the latest first; 200 at most",
    )
    spool: Annotated[SpoolStats | None, BeforeValidator(_reported)] = Field(
        validation_alias="numbers", description="null where no receiver has reported within a minute"
    )
    redis: RedisStats = Field(validation_alias="durability")
    memory: MemoryOut
    ledger: Works = Field(
        validation_alias=AliasPath("allows", "ledger"),
        description="whether Redis lets this console do what the ledger needs",
    )
    queue: Works = Field(
        validation_alias=AliasPath("allows", "queue"),
        description="the same for the queue that carries kicks",
    )
    old_copy: OldCopyOut | None = Field(
        validation_alias=AliasPath("numbers", "old_copy"), description="within the last week; null where there was none"
    )
    history: HistoryOut
    webhook_loss_rate: float | None = Field(description="of the last seven days; null if no webhook was expected")


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """The numbers now."""
    return OperationResult(StatsOut.model_validate(await read_stats(call.context)))


OPERATIONS = (Operation("GET", "/v1/stats", "Numbers", get, {200: StatsOut}),)
