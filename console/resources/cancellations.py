"""`/v1/payments/{imp_uid}/cancellations`: cancel a payment, record a cancellation, reject one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from console.http import acts
from console.http.models import Body, Money, OfMerchant, Tax, checked
from console.http.operation import Call, Operation, OperationResult
from console.operations.cancel_payment import (
    CancellationParams,
    cancel_payment,
    record_cancellation,
    reject_cancellation,
)
from console.resources.payments import PaymentOut, current_payment
from schemas import wire
from schemas.errors import Invalid
from schemas.reasons import Reason


def _writable(extra: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold. Raises `Invalid`, before anything of the cancellation is stored."""
    try:
        wire.dumps(extra)
    except TypeError:
        raise Invalid("extra", Reason.of("not_writable")) from None
    return extra


class CancellationIn(Body):
    """What to cancel; everything that is left where no amount is given. The other fields are i'mport's own."""

    amount: Money | None = None
    reason: str | None = Field(None, max_length=500)
    checksum: Money | None = Field(
        None, description="the amount that you expect to be left; by default the relay computes it"
    )
    tax_free: Tax | None = None
    vat_amount: Tax | None = None
    refund_holder: str | None = Field(None, max_length=100)
    refund_bank: str | None = Field(None, max_length=100)
    refund_account: str | None = Field(None, max_length=100)
    refund_tel: str | None = Field(None, max_length=100)
    retain_promotion: bool | None = None
    extra: Annotated[dict[str, Any], checked(_writable)] | None = None
    record_only: bool = Field(False, description="only record that it was requested elsewhere")

    @property
    def params(self) -> CancellationParams:
        """What to cancel, unless it is only recorded."""
        own = {"amount", "reason", "checksum", "record_only"}
        fields = self.model_dump(exclude=own, exclude_none=True)
        return CancellationParams(self.amount, self.reason, self.checksum, fields)


class RejectionIn(Body):
    """Why a pending cancellation is closed."""

    reason: str | None = Field(None, max_length=500)


async def cancel(call: Call[OfMerchant, CancellationIn]) -> OperationResult:
    """Cancel a payment, or record that its cancellation was requested elsewhere."""
    merchant, imp_uid, body = call.query.merchant, call.path["imp_uid"], call.body
    if body.record_only:
        await record_cancellation(call.context, merchant, imp_uid, body.amount, body.reason)
        return await current_payment(call, 202)
    is_confirmed = await cancel_payment(call.context, merchant, imp_uid, body.params)
    return await current_payment(call, 200 if is_confirmed else 202)


async def reject(call: Call[OfMerchant, RejectionIn]) -> OperationResult:
    """Close a pending cancellation as rejected."""
    await reject_cancellation(
        call.context, call.query.merchant, call.path["imp_uid"], call.path["id"], call.body.reason
    )
    return await current_payment(call)


_ALL = "/v1/payments/{imp_uid}/cancellations"

OPERATIONS = (
    Operation(
        "POST", _ALL, "Cancel a payment", cancel, {200: PaymentOut, 202: PaymentOut}, query=OfMerchant,
        body=CancellationIn, problems=(404, 409, 502, 504), audited=acts.PAYMENT_CANCEL,
    ),
    Operation(
        "POST", f"{_ALL}/{{id}}/reject", "Close a pending cancellation", reject, {200: PaymentOut}, query=OfMerchant,
        body=RejectionIn, problems=(404, 409, 502), audited=acts.CANCELLATION_REJECT,
    ),
)  # fmt: skip
