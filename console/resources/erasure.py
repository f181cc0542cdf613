"""`/v1/payments/{imp_uid}/erase`: a buyer asked to be forgotten."""

from __future__ import annotations

from pydantic import Field

from console.http import acts
from console.http.models import Body, OfMerchant
from console.http.operation import Call, Operation, OperationResult
from console.operations.erase_buyer import erase_buyer
from console.resources.payments import PaymentOut, current_payment


class ErasureIn(Body):
    """Why, for the audit; without the buyer's name."""

    reason: str = Field(min_length=1, max_length=500)


async def erase(call: Call[OfMerchant, ErasureIn]) -> OperationResult:
    """Erase the buyer of a payment for good; amounts, ids, statuses and times stay."""
    await erase_buyer(call.context, call.query.merchant, call.path["imp_uid"])
    return await current_payment(call)


OPERATIONS = (
    Operation(
        "POST", "/v1/payments/{imp_uid}/erase", "Erase a payment's buyer", erase, {200: PaymentOut}, query=OfMerchant,
        body=ErasureIn, problems=(404, 409), audited=acts.PAYMENT_ERASE,
    ),
)  # fmt: skip
