"""Replays: many events sent again, at a rate, behind whatever happens now."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from console.context import Context
from console.http.models import Body, Listing, Merchant, Moment, Nothing, Out, Parameters, Rate, Time, time
from console.http.operation import Call, Operation, OperationResult
from console.resources.endpoint_models import Types
from ledger.replays import Only, Replay, Selection, State
from schemas.errors import Invalid, NotFound
from schemas.reasons import Reason
from schemas.times import rfc3339


class ReplayIn(Body):
    """What to send again; the window [since, until) is about when an event was recorded."""

    endpoint: str | None = Field(None, min_length=1, max_length=200, description="all that subscribe, unless set")
    merchant: Merchant | None = None
    types: Types | None = Field(None, description="exact names, payment.* or *; all, unless set")
    since: Moment | None = None
    until: Moment | None = None
    only: Only = Field("undelivered", description="undelivered includes what an endpoint made later never got")
    include_silent: bool = False
    rate: Annotated[Rate, Field(gt=0, le=10_000)] = Field(50.0, description="deliveries a second")
    dry_run: bool = False


class Counted(Out):
    """What a replay would queue."""

    state: State
    matched: int
    queued: int
    delivered: int
    failed: int


class ReplayOut(Counted):
    """A replay: `matched` when it was asked for, `queued` so far, which becomes `delivered` or `failed`."""

    id: str
    endpoint: str | None
    merchant: str | None
    types: list[str]
    since: Time | None
    until: Time | None
    only: Only
    include_silent: bool
    rate: float
    created_at: Time
    ended_at: Time | None


class ReplayList(Out):
    """Some replays."""

    data: list[ReplayOut]
    next_cursor: str | None


def replay_out(replay: Replay) -> ReplayOut:
    """A replay as operators see it."""
    chosen = replay.selection
    return ReplayOut(
        id=replay.id,
        state=replay.state,
        matched=replay.matched,
        queued=replay.queued,
        delivered=replay.delivered,
        failed=replay.failed,
        endpoint=chosen.endpoint,
        merchant=chosen.merchant,
        types=list(chosen.types),
        since=time(chosen.since),
        until=time(chosen.until),
        only=chosen.only,
        include_silent=chosen.include_silent,
        rate=replay.rate,
        created_at=rfc3339(replay.created_at),
        ended_at=time(replay.ended_at),
    )


async def _selection(context: Context, asked: ReplayIn) -> Selection:
    """What is asked for, with the merchant of the endpoint. Raises `NotFound` and `Invalid`."""
    merchant = asked.merchant
    if merchant is not None and merchant not in await context.ledger.merchants.names():
        raise NotFound(Reason.of("not_found", kind="merchant", id=merchant))
    if asked.endpoint is not None:
        owner = (await context.ledger.endpoints.get(asked.endpoint)).endpoint.merchant
        if merchant not in (None, owner):
            raise Invalid("merchant", Reason.of("merchant_of_endpoint", merchant=owner))
        merchant = owner
    if asked.since is not None and asked.until is not None and asked.until <= asked.since:
        raise Invalid("until", Reason.of("later_than_since"))
    return Selection(
        endpoint=asked.endpoint,
        merchant=merchant,
        types=tuple(asked.types or ()),
        since=asked.since,
        until=asked.until,
        only=asked.only,
        include_silent=asked.include_silent,
    )


async def create(call: Call[Parameters, ReplayIn]) -> OperationResult:
    """Begin a replay, or only count what it would send."""
    replays, selection = call.context.ledger.replays, await _selection(call.context, call.body)
    if call.body.dry_run:
        matched = await replays.count(selection)
        return OperationResult(Counted(state="done", matched=matched, queued=0, delivered=0, failed=0))
    replay = await replays.create(selection, call.body.rate)
    return OperationResult(replay_out(replay), 202, {"location": f"/v1/replays/{replay.id}"})


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One replay."""
    return OperationResult(replay_out(await call.context.ledger.replays.get(call.path["id"])))


async def list_(call: Call[Listing, Nothing]) -> OperationResult:
    """Replays, newest first."""
    page = await call.context.ledger.replays.list(call.query.part)
    return OperationResult(ReplayList(data=[replay_out(row) for row in page.rows], next_cursor=page.next_cursor))


async def stop(call: Call[Parameters, Nothing]) -> OperationResult:
    """Stop a replay: what it queued and nobody is sending is taken out again."""
    return OperationResult(replay_out(await call.context.ledger.replays.stop(call.path["id"])))


_ONE = "/v1/replays/{id}"

OPERATIONS = (
    Operation("POST", "/v1/replays", "Send events again, or count them", create, {202: ReplayOut, 200: Counted},
              body=ReplayIn, problems=(404,)),
    Operation("GET", "/v1/replays", "List replays, newest first", list_, {200: ReplayList}, query=Listing),
    Operation("GET", _ONE, "Show a replay", get, {200: ReplayOut}, problems=(404,)),
    Operation("DELETE", _ONE, "Stop it; what was queued and not sent is taken out again", stop, {200: ReplayOut},
              problems=(404,)),
)  # fmt: skip
