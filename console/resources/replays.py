"""`/v1/replays`: send many events again, at a rate, behind the live deliveries."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from console.http import acts
from console.http.models import Body, Listing, ListOut, Merchant, Moment, Nothing, Out, Parameters, Rate, Time, also_in
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.replay_events import estimate_replay, list_replays, read_replay, start_replay, stop_replay
from console.resources.endpoint_models import Types
from ledger.replays import State
from schemas.endpoints.replay_selection import Only, Selection


class ReplayIn(Body):
    """What to send again; the window [since, until) is about when an event was recorded."""

    endpoint: str | None = Field(None, min_length=1, max_length=200, description="all that subscribe, unless set")
    merchant: Merchant | None = None
    types: Types | None = Field(None, description="exact names, payment.* or *; all, unless set")
    since: Moment | None = None
    until: Moment | None = None
    only: Only = Field(
        "undelivered", description="undelivered also includes events recorded before the endpoint was created"
    )
    include_silent: bool = False
    rate: Annotated[Rate, Field(gt=0, le=10_000)] = Field(50.0, description="deliveries a second")
    dry_run: bool = False

    @property
    def selection(self) -> Selection:
        """Which events, and to whom."""
        return Selection(
            endpoint=self.endpoint,
            merchant=self.merchant,
            types=tuple(self.types or ()),
            since=self.since,
            until=self.until,
            only=self.only,
            include_silent=self.include_silent,
        )


class Counted(Out):
    """What a replay would queue."""

    state: State
    matched: int
    queued: int
    delivered: int
    failed: int


class ReplayOut(Counted):
    """A replay: `matched` when it was asked for, `queued` so far, which becomes `delivered` or `failed`."""

    model_config = ConfigDict(alias_generator=also_in("selection"))

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


class ReplayList(ListOut[ReplayOut]):
    """Some replays."""


async def create(call: Call[Parameters, ReplayIn]) -> OperationResult:
    """Start a replay, or only count what it would send."""
    if call.body.dry_run:
        matched = await estimate_replay(call.context, call.body.selection)
        return OperationResult(Counted(state="done", matched=matched, queued=0, delivered=0, failed=0))
    replay = await start_replay(call.context, call.body.selection, call.body.rate)
    return OperationResult(ReplayOut.model_validate(replay), 202, {"location": f"/v1/replays/{replay.id}"})


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One replay."""
    return OperationResult(ReplayOut.model_validate(await read_replay(call.context, call.path["id"])))


async def list_(call: Call[Listing, Nothing]) -> OperationResult:
    """Replays, newest first."""
    return listed(ReplayList, await list_replays(call.context, call.query.part))


async def stop(call: Call[Parameters, Nothing]) -> OperationResult:
    """Stop a replay: what it queued and no worker is sending is removed again."""
    return OperationResult(ReplayOut.model_validate(await stop_replay(call.context, call.path["id"])))


_ONE = "/v1/replays/{id}"

OPERATIONS = (
    Operation("POST", "/v1/replays", "Send events again, or count them", create, {202: ReplayOut, 200: Counted},
              body=ReplayIn, problems=(404,), audited=acts.REPLAY_CREATE),
    Operation("GET", "/v1/replays", "List replays, newest first", list_, {200: ReplayList}, query=Listing),
    Operation("GET", _ONE, "Show a replay", get, {200: ReplayOut}, problems=(404,)),
    Operation("DELETE", _ONE, "Stop it; what was queued and not sent is removed", stop, {200: ReplayOut},
              problems=(404,), audited=acts.REPLAY_STOP),
)  # fmt: skip
