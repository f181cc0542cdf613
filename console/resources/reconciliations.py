"""`/v1/reconciliations`: compare what i'mport has with the ledger, and repair what is missing."""

from __future__ import annotations

from pydantic import Field

from console.http import acts
from console.http.models import (
    Body,
    Listing,
    ListOut,
    Merchant,
    Moment,
    Nothing,
    Out,
    Parameters,
    ReasonCode,
    ReasonText,
    Time,
)
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.reconcile import list_reconciliations, read_reconciliation, start_reconciliation
from ledger.reconciliations import State


class ReconciliationIn(Body):
    """What to compare: payments whose latest status is of [since, until)."""

    merchant: Merchant
    since: Moment
    until: Moment
    deliver: bool = Field(False, description="send what is found; it is only recorded, otherwise")
    rebuild: bool = Field(False, description="the ledger was lost: begin sequences above all that it can have used")


class ReconciliationOut(Out):
    """How far a reconciliation is: `missing` payments show what the ledger lacks, `repaired` were refreshed.

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
    trouble_code: ReasonCode = Field(validation_alias="trouble")
    created_at: Time


class ReconciliationList(ListOut[ReconciliationOut]):
    """Some reconciliations."""


class ReconciliationListing(Listing):
    """Which reconciliations."""

    merchant: Merchant | None = None


async def create(call: Call[Parameters, ReconciliationIn]) -> OperationResult:
    """Start to compare; workers do the rest."""
    wanted = call.body
    run = await start_reconciliation(
        call.context, wanted.merchant, wanted.since, wanted.until, deliver=wanted.deliver, rebuild=wanted.rebuild
    )
    return OperationResult(ReconciliationOut.model_validate(run), 202, {"location": f"/v1/reconciliations/{run.id}"})


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One reconciliation."""
    return OperationResult(ReconciliationOut.model_validate(await read_reconciliation(call.context, call.path["id"])))


async def list_(call: Call[ReconciliationListing, Nothing]) -> OperationResult:
    """Reconciliations that operators started, newest first."""
    page = await list_reconciliations(call.context, call.query.part, call.query.merchant)
    return listed(ReconciliationList, page)


_ALL = "/v1/reconciliations"

OPERATIONS = (
    Operation("POST", _ALL, "Compare with i'mport", create, {202: ReconciliationOut}, body=ReconciliationIn,
              problems=(404, 409), audited=acts.RECONCILIATION_CREATE),
    Operation("GET", _ALL, "List reconciliations", list_, {200: ReconciliationList}, query=ReconciliationListing),
    Operation("GET", f"{_ALL}/{{id}}", "Show a reconciliation", get, {200: ReconciliationOut}, problems=(404,)),
)  # fmt: skip
