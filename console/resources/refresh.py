"""`/v1/payments/{imp_uid}/refresh`: refresh a payment now."""

from __future__ import annotations

from typing import Literal

from console.http import acts
from console.http.models import Nothing, OfMerchant, Out
from console.http.operation import Call, Operation, OperationResult
from console.operations.refresh_payment import refresh_payment
from console.resources.payments import PaymentOut, current_payment


class RefreshPending(Out):
    """A refresh that has not come to an end yet."""

    merchant: str
    imp_uid: str
    state: Literal["looking"]


async def refresh(call: Call[OfMerchant, Nothing]) -> OperationResult:
    """Refresh a payment and wait for the result."""
    merchant, imp_uid = call.query.merchant, call.path["imp_uid"]
    if not await refresh_payment(call.context, merchant, imp_uid):
        return OperationResult(RefreshPending(merchant=merchant, imp_uid=imp_uid, state="looking"), 202)
    return await current_payment(call)


OPERATIONS = (
    Operation(
        "POST", "/v1/payments/{imp_uid}/refresh", "Refresh it now", refresh, {200: PaymentOut, 202: RefreshPending},
        query=OfMerchant, problems=(404,), audited=acts.PAYMENT_REFRESH,
    ),
)  # fmt: skip
