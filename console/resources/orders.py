"""`/v1/orders`: what a merchant expects to be paid."""

from __future__ import annotations

from pydantic import Field

from console.http import acts
from console.http.models import Amount, Body, Money, OfMerchant, Out
from console.http.operation import Call, Operation, OperationResult
from console.operations.expect_amount import expect_amount


class OrderIn(Body):
    """What is expected, in the currency's major unit; in any currency where none is given."""

    amount: Money
    currency: str | None = Field(None, pattern="^[A-Z]{3}$")


class OrderOut(Out):
    """What is expected of an order."""

    merchant: str
    merchant_uid: str
    amount: Amount
    currency: str | None


async def put(call: Call[OfMerchant, OrderIn]) -> OperationResult:
    """Store what is expected."""
    merchant, merchant_uid, body = call.query.merchant, call.path["merchant_uid"], call.body
    await expect_amount(call.context, merchant, merchant_uid, body.amount, body.currency)
    return OperationResult(
        OrderOut(merchant=merchant, merchant_uid=merchant_uid, amount=body.amount, currency=body.currency)
    )


OPERATIONS = (
    Operation(
        "PUT", "/v1/orders/{merchant_uid}", "Say what is expected to be paid", put, {200: OrderOut}, query=OfMerchant,
        body=OrderIn, problems=(404,), audited=acts.ORDER_PUT,
    ),
)  # fmt: skip
