"""Payments: where each stands, and its whole story."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from console.context import Context
from console.http.models import Amount, Listing, Merchant, Nothing, OfMerchant, Out, Time, time
from console.http.operation import Call, Operation, OperationResult
from console.resources.events import EventOut, event_out
from ledger.payments import Payment
from schemas import wire
from schemas.payments.facts import Status

CancellationState = Literal["open", "confirmed", "rejected"]

AT_ONCE = 20
"""Payments of a list whose events are read at the same time, so that one request does not take all connections."""


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
    events: list[EventOut]
    payment: dict[str, Any] = Field(description="i'mport's object, as last fetched")
    contradicts: list[str] = Field(
        description="events that i'mport's object no longer bears out: what they announced was taken back"
    )


class PaymentList(Out):
    """Some payments."""

    data: list[PaymentOut]
    next_cursor: str | None


class PaymentListing(Listing):
    """Which payments."""

    merchant: Merchant | None = None
    merchant_uid: str | None = Field(None, min_length=1, max_length=200)
    status: Status | None = None


def payment_row(payment: Payment) -> dict[str, Any]:
    """A payment as operators see it; requests that are being sent right now are nobody's business yet."""
    return {
        "merchant": payment.merchant,
        "imp_uid": payment.imp_uid,
        "merchant_uid": payment.merchant_uid,
        "status": payment.status,
        "sequence": payment.sequence,
        "amount": payment.amount,
        "cancelled_amount": payment.cancelled_amount,
        "currency": payment.currency,
        "fetched_at": time(payment.fetched_at),
        "cancellations": [
            {
                "id": request["id"],
                "amount": None if request["amount"] is None else Decimal(request["amount"]),
                "state": request["state"],
                "origin": request["origin"],
                "reason": request.get("reason"),
                "requested_at": time(request["requested_at"]),
                "closed_at": time(request.get("closed_at")),
            }
            for request in payment.requests
            if request["state"] not in ("sending", "sent")
        ],
        "payment": wire.loads(payment.snapshot),
        "contradicts": list(payment.contradicts),
    }


async def payment_out(context: Context, payment: Payment) -> dict[str, Any]:
    """A payment with its events."""
    events = await context.ledger.events.of_payment(payment.merchant, payment.imp_uid)
    return {**payment_row(payment), "events": [event_out(event) for event in events]}


async def get(call: Call[OfMerchant, Nothing]) -> OperationResult:
    """One payment."""
    payment = await call.context.ledger.payments.get(call.query.merchant, call.path["imp_uid"])
    return OperationResult(await payment_out(call.context, payment))


async def list_(call: Call[PaymentListing, Nothing]) -> OperationResult:
    """Payments."""
    query = call.query
    page = await call.context.ledger.payments.list(
        query.part, merchant=query.merchant, merchant_uid=query.merchant_uid, status=query.status
    )
    rows: list[dict[str, Any]] = []
    for start in range(0, len(page.rows), AT_ONCE):
        some = page.rows[start : start + AT_ONCE]
        rows += await asyncio.gather(*(payment_out(call.context, row) for row in some))
    return OperationResult({"data": rows, "next_cursor": page.next_cursor})


_ONE = "/v1/payments/{imp_uid}"

OPERATIONS = (
    Operation("GET", "/v1/payments", "List payments", list_, {200: PaymentList}, query=PaymentListing),
    Operation("GET", _ONE, "Show a payment", get, {200: PaymentOut}, query=OfMerchant, problems=(404,)),
)
