"""`/v1/export/{what}`: every row of a list as one file."""

from __future__ import annotations

from typing import get_args

from pydantic import Field

from console.http import acts
from console.http.models import Merchant, Moment, Nothing, Parameters
from console.http.operation import Call, Operation, OperationResult
from console.http.streams import MEDIA_TYPES, export_headers
from console.operations.export_rows import ExportOrder, export_rows
from history.export import Format, What
from schemas.errors import Invalid
from schemas.reasons import Reason

WHATS: tuple[What, ...] = get_args(What)


class ExportParameters(Parameters):
    """Which rows; the window [since, until) is about when a row was first recorded."""

    merchant: Merchant | None = None
    since: Moment | None = None
    until: Moment | None = None
    format: Format = Field("ndjson", description="csv begins with a byte order mark, so that Excel reads Korean")
    count: bool = Field(False, description="say in the header `relay-export-rows` how many rows there are")


def export_order(what: str, given: ExportParameters) -> ExportOrder:
    """The export of these parameters. Raises `Invalid` for what cannot be exported."""
    if what not in WHATS:
        raise Invalid("what", Reason.of("not_one_of", expected=", ".join(WHATS)))
    return ExportOrder(what, **given.model_dump())


async def export(call: Call[ExportParameters, Nothing]) -> OperationResult:
    """Stream all rows, oldest first."""
    order = export_order(call.path["what"], call.query)
    begun = await export_rows(call.context, order, read_only=call.read_only)
    return OperationResult(headers=export_headers(order, begun), stream=begun.pieces)


OPERATIONS = (
    Operation(
        "GET", "/v1/export/{what}", "Export payments, events, deliveries or notifications, oldest first", export,
        {200: None}, query=ExportParameters, audited=acts.EXPORT_READ, streams=tuple(MEDIA_TYPES.values()),
    ),
)  # fmt: skip
