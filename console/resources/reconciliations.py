"""Reconciliations: comparing what i'mport has with what the ledger knows, and mending what is missing."""

from __future__ import annotations

import math
import secrets

from pydantic import Field

from console.http.models import (
    Body,
    Listing,
    Merchant,
    Moment,
    Nothing,
    Out,
    Parameters,
    ReasonCode,
    ReasonText,
    Time,
    code_of,
)
from console.http.operation import Call, Operation, OperationResult
from ledger.reconciliations import Reconciliation, State
from schemas.errors import Invalid, NotFound
from schemas.payments.windows import first
from schemas.reasons import Reason
from schemas.times import rfc3339


class ReconciliationIn(Body):
    """What to compare: payments whose latest status is of [since, until)."""

    merchant: Merchant
    since: Moment
    until: Moment
    deliver: bool = Field(False, description="send what is found; it is only recorded, otherwise")
    rebuild: bool = Field(False, description="the ledger was lost: begin sequences above all that it can have used")


class ReconciliationOut(Out):
    """How far a reconciliation is: `missing` payments show what the ledger lacks, `repaired` were looked at.

    `trouble` says why i'mport's list did not come the last time; it is tried again for a day.
    """

    id: str
    merchant: str
    since: Time
    until: Time
    deliver: bool
    state: State
    compared: int
    missing: int
    repaired: int
    trouble: ReasonText | None
    trouble_code: ReasonCode
    created_at: Time


class ReconciliationList(Out):
    """Some reconciliations."""

    data: list[ReconciliationOut]
    next_cursor: str | None


class ReconciliationListing(Listing):
    """Which reconciliations."""

    merchant: Merchant | None = None


def reconciliation_out(run: Reconciliation) -> ReconciliationOut:
    """A reconciliation as operators see it."""
    return ReconciliationOut(
        id=run.id,
        merchant=run.merchant,
        since=rfc3339(run.since),
        until=rfc3339(run.until),
        deliver=run.deliver,
        state=run.state,
        compared=run.compared,
        missing=run.missing,
        repaired=run.repaired,
        trouble=run.trouble,
        trouble_code=code_of(run.trouble),
        created_at=rfc3339(run.created_at),
    )


async def create(call: Call[Parameters, ReconciliationIn]) -> OperationResult:
    """Begin to compare; workers do the rest."""
    asked, ledger = call.body, call.context.ledger
    # i'mport counts whole seconds.
    since, until = math.floor(asked.since), math.ceil(asked.until)
    if since < 0:
        raise Invalid("since", Reason.of("before_1970"))
    if until <= since:
        raise Invalid("until", Reason.of("later_than_since"))
    if asked.merchant not in await ledger.merchants.names():
        raise NotFound(Reason.of("not_found", kind="merchant", id=asked.merchant))
    window = first(since, until)
    run = Reconciliation(
        id=f"rec_{secrets.token_hex(12)}",
        merchant=asked.merchant,
        since=since,
        until=until,
        deliver=asked.deliver,
        window=(window.since, window.until, window.page),
    )
    begun = await ledger.reconciliations.begin(run, rebuild=asked.rebuild)
    return OperationResult(reconciliation_out(begun), 202, {"location": f"/v1/reconciliations/{begun.id}"})


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One reconciliation."""
    run = await call.context.ledger.reconciliations.get(call.path["id"])
    if not run.by_hand:
        raise NotFound(Reason.of("not_found", kind="reconciliation", id=run.id))
    return OperationResult(reconciliation_out(run))


async def list_(call: Call[ReconciliationListing, Nothing]) -> OperationResult:
    """Reconciliations that were asked for, newest first."""
    page = await call.context.ledger.reconciliations.list(call.query.part, call.query.merchant)
    rows = [reconciliation_out(row) for row in page.rows]
    return OperationResult(ReconciliationList(data=rows, next_cursor=page.next_cursor))


_ALL = "/v1/reconciliations"

OPERATIONS = (
    Operation("POST", _ALL, "Compare with i'mport", create, {202: ReconciliationOut}, body=ReconciliationIn,
              problems=(404, 409)),
    Operation("GET", _ALL, "List reconciliations", list_, {200: ReconciliationList}, query=ReconciliationListing),
    Operation("GET", f"{_ALL}/{{id}}", "Show a reconciliation", get, {200: ReconciliationOut}, problems=(404,)),
)  # fmt: skip
