"""Deliveries: what is on its way to whom, what became of each attempt, and trying again."""

from __future__ import annotations

from pydantic import Field

from console.http.models import Listing, Nothing, Out, Parameters, ReasonCode, ReasonText, Time, code_of, time
from console.http.operation import Call, Operation, OperationResult
from ledger.deliveries import DeliveryView, State
from schemas.endpoints.delivery import Attempt
from schemas.times import rfc3339


class AttemptOut(Out):
    """One attempt."""

    at: Time
    status_code: int | None
    duration_ms: int
    error: ReasonText | None
    response: str
    replay: bool


class DeliveryOut(Out):
    """An event on its way to an endpoint."""

    id: str
    event: str
    endpoint: str
    merchant: str
    type: str
    imp_uid: str
    state: State
    created_at: Time
    next_attempt_at: Time | None
    reason: ReasonText | None = Field(description="why it waits or died, in words")
    reason_code: ReasonCode
    attempts: list[AttemptOut]


class DeliveryList(Out):
    """Some deliveries."""

    data: list[DeliveryOut]
    next_cursor: str | None


class DeliveryListing(Listing):
    """Which deliveries."""

    endpoint: str | None = Field(None, min_length=1, max_length=200)
    event: str | None = Field(None, min_length=1, max_length=200)
    state: State | None = None


def delivery_out(sent: DeliveryView) -> DeliveryOut:
    """A delivery as operators see it."""
    return DeliveryOut(
        id=sent.id,
        event=sent.event,
        endpoint=sent.endpoint,
        merchant=sent.merchant,
        type=sent.type,
        imp_uid=sent.imp_uid,
        state=sent.state,
        created_at=rfc3339(sent.created_at),
        next_attempt_at=time(sent.next_attempt_at),
        reason=sent.reason,
        reason_code=code_of(sent.reason),
        attempts=[attempt_out(attempt) for attempt in sent.attempts],
    )


def attempt_out(attempt: Attempt) -> AttemptOut:
    """An attempt as operators see it."""
    return AttemptOut(
        at=rfc3339(attempt.at),
        status_code=attempt.status_code,
        duration_ms=attempt.duration_ms,
        error=attempt.error,
        response=attempt.response,
        replay=attempt.replay,
    )


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One delivery."""
    return OperationResult(delivery_out(await call.context.ledger.deliveries.get(call.path["id"])))


async def list_(call: Call[DeliveryListing, Nothing]) -> OperationResult:
    """Deliveries, newest first."""
    query = call.query
    page = await call.context.ledger.deliveries.list(
        query.part, endpoint=query.endpoint, event=query.event, state=query.state
    )
    return OperationResult(DeliveryList(data=[delivery_out(row) for row in page.rows], next_cursor=page.next_cursor))


async def retry(call: Call[Parameters, Nothing]) -> OperationResult:
    """Have a delivery attempted now."""
    ledger = call.context.ledger
    ledger.queue.kick_all([await ledger.deliveries.retry(call.path["id"])])
    return OperationResult(delivery_out(await ledger.deliveries.get(call.path["id"])))


_ONE = "/v1/deliveries/{id}"

OPERATIONS = (
    Operation("GET", "/v1/deliveries", "List deliveries", list_, {200: DeliveryList}, query=DeliveryListing),
    Operation("GET", _ONE, "Show a delivery with its attempts", get, {200: DeliveryOut}, problems=(404,)),
    Operation("POST", f"{_ONE}/retry", "Attempt it now", retry, {200: DeliveryOut}, problems=(404, 409)),
)
