"""`/v1/deliveries`: each event on its way to an endpoint, with every attempt; attempt one now."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, AliasPath, BeforeValidator, Field

from console.http import acts
from console.http.models import Listing, ListOut, Merchant, Nothing, Out, Parameters, ReasonCode, ReasonText, Time
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.read_deliveries import list_deliveries, read_delivery
from console.operations.retry_delivery import retry_delivery
from console.resources.events import Type
from schemas.endpoints.states import DeliveryState
from schemas.reasons import Reason, english

Response = Annotated[str, BeforeValidator(lambda shown: english(shown) if isinstance(shown, Reason) else shown)]
"""The first part of an answer's body, or the reason why it is not shown, in English."""


class AttemptOut(Out):
    """One attempt."""

    at: Time
    status_code: int | None
    duration_ms: int
    error: ReasonText | None = Field(description="why no complete answer came in time, in words")
    error_code: ReasonCode = Field(validation_alias=AliasChoices("error", AliasPath("attempt", "error")))
    response: Response = Field(description="the first KiB of the answer's body, or how much it was if it is encoded")
    replay: bool


class DeliveryOut(Out):
    """An event on its way to an endpoint."""

    id: str
    event: str
    endpoint: str
    merchant: str
    type: str
    imp_uid: str
    state: DeliveryState
    created_at: Time
    next_attempt_at: Time | None
    reason: ReasonText | None = Field(description="why it waits or died, in words")
    reason_code: ReasonCode = Field(validation_alias="reason")
    attempts: list[AttemptOut]


class DeliveryList(ListOut[DeliveryOut]):
    """Some deliveries."""


class DeliveryListing(Listing):
    """Which deliveries."""

    endpoint: str | None = Field(None, min_length=1, max_length=200)
    event: str | None = Field(None, min_length=1, max_length=200)
    state: DeliveryState | None = None
    merchant: Merchant | None = None
    type: Type | None = None


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One delivery."""
    return OperationResult(DeliveryOut.model_validate(await read_delivery(call.context, call.path["id"])))


async def list_(call: Call[DeliveryListing, Nothing]) -> OperationResult:
    """Deliveries, newest first."""
    query = call.query
    page = await list_deliveries(
        call.context,
        query.part,
        endpoint=query.endpoint,
        event=query.event,
        state=query.state,
        merchant=query.merchant,
        type_=query.type,
    )
    return listed(DeliveryList, page)


async def retry(call: Call[Parameters, Nothing]) -> OperationResult:
    """Have a delivery attempted now."""
    return OperationResult(DeliveryOut.model_validate(await retry_delivery(call.context, call.path["id"])))


_ONE = "/v1/deliveries/{id}"

OPERATIONS = (
    Operation("GET", "/v1/deliveries", "List deliveries", list_, {200: DeliveryList}, query=DeliveryListing,
              audited=acts.DELIVERY_LIST),
    Operation("GET", _ONE, "Show a delivery with its attempts", get, {200: DeliveryOut}, problems=(404,),
              audited=acts.DELIVERY_READ),
    Operation("POST", f"{_ONE}/retry", "Attempt it now", retry, {200: DeliveryOut}, problems=(404, 409),
              audited=acts.DELIVERY_RETRY),
)  # fmt: skip
