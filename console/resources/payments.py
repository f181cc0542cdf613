"""`/v1/payments`: where each payment stands, with its events."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from console.http import acts
from console.http.models import Amount, Listing, ListOut, Merchant, Nothing, OfMerchant, Out, Time, also_in
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.read_payments import list_payments_with_events, read_payment
from console.resources.events import EventOut
from schemas.payments.facts import Status

CancellationState = Literal["open", "confirmed", "rejected"]


class CancellationOut(Out):
    """A request for cancellation."""

    id: str
    amount: Amount | None
    state: CancellationState
    origin: str
    reason: str | None
    requested_at: Time | None
    closed_at: Time | None


class PaymentOut(Out):
    """A payment with its latest events, oldest first; alike alone and in a list."""

    model_config = ConfigDict(alias_generator=also_in("stored"))

    merchant: str
    imp_uid: str
    merchant_uid: str
    status: Status
    sequence: int
    amount: Amount
    cancelled_amount: Amount
    currency: str
    fetched_at: Time | None
    cancellations: list[CancellationOut]
    payment: dict[str, Any] = Field(validation_alias="snapshot", description="i'mport's object, as last fetched")
    contradicts: list[str] = Field(
        description="events that i'mport's object no longer supports: what they announced was taken back"
    )
    erased_at: Time | None = Field(description="when its buyer was erased; blank from then on, for good")
    events: list[EventOut]


class PaymentList(ListOut[PaymentOut]):
    """Some payments."""


class PaymentListing(Listing):
    """Which payments."""

    merchant: Merchant | None = None
    merchant_uid: str | None = Field(None, min_length=1, max_length=200)
    status: Status | None = None


async def current_payment(call: Call[OfMerchant, Any], status: int = 200) -> OperationResult:
    """The payment that a call is about, as it is now."""
    payment = await read_payment(call.context, call.query.merchant, call.path["imp_uid"])
    return OperationResult(PaymentOut.model_validate(payment), status)


async def get(call: Call[OfMerchant, Nothing]) -> OperationResult:
    """One payment."""
    return await current_payment(call)


async def list_(call: Call[PaymentListing, Nothing]) -> OperationResult:
    """Payments."""
    query = call.query
    page = await list_payments_with_events(
        call.context, query.part, merchant=query.merchant, merchant_uid=query.merchant_uid, status=query.status
    )
    return listed(PaymentList, page)


_ONE = "/v1/payments/{imp_uid}"

OPERATIONS = (
    Operation("GET", "/v1/payments", "List payments", list_, {200: PaymentList}, query=PaymentListing,
              audited=acts.PAYMENT_LIST),
    Operation("GET", _ONE, "Show a payment", get, {200: PaymentOut}, query=OfMerchant, problems=(404,),
              audited=acts.PAYMENT_READ),
)  # fmt: skip
