"""Cancellations: asking i'mport for one, noting one that was asked for elsewhere, closing one that never came."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Callable
from typing import Annotated, Any

import structlog
from pydantic import Field

from console.context import Context
from console.http.models import Body, Money, OfMerchant, Tax, checked
from console.http.operation import Call, Operation, OperationResult
from console.resources.payments import PaymentOut, payment_out
from console.resources.refresh import PATIENCE, refreshed
from iamport.merchant_clients import MerchantClient
from runtime.policy import policy
from schemas import wire
from schemas.errors import IamportFailing, IamportRefused, IamportUnreachable, Invalid, NotFound, WrongCredentials
from schemas.payments.cancel_steps import check, intend, leave_open, mark_sent, withdraw
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.channels import hidden_test_payment
from schemas.payments.decide import Change, Policy, Record, left_to_cancel, record_request, reject_request
from schemas.payments.snapshot import IMP_UID

log = structlog.get_logger()

_LOOK_EVERY = 0.1


def _writable(extra: dict[str, Any]) -> dict[str, Any]:
    """What JSON can hold. Raises `Invalid`, before anything of the cancellation is noted."""
    try:
        wire.dumps(extra)
    except TypeError:
        raise Invalid("extra", "nests too deeply, or holds half a character") from None
    return extra


class CancellationIn(Body):
    """What to cancel; everything that is left where no amount is given. The other fields are i'mport's own."""

    amount: Money | None = None
    reason: str | None = Field(None, max_length=500)
    checksum: Money | None = Field(None, description="what you believe is left; what the relay knows unless given")
    tax_free: Tax | None = None
    vat_amount: Tax | None = None
    refund_holder: str | None = Field(None, max_length=100)
    refund_bank: str | None = Field(None, max_length=100)
    refund_account: str | None = Field(None, max_length=100)
    refund_tel: str | None = Field(None, max_length=100)
    retain_promotion: bool | None = None
    extra: Annotated[dict[str, Any], checked(_writable)] | None = None
    record_only: bool = Field(False, description="only note that it was asked for elsewhere")


class RejectionIn(Body):
    """Why a pending cancellation is closed."""

    reason: str | None = Field(None, max_length=500)


class Asking:
    """One payment whose cancellations somebody works on, and the steps that are written of it."""

    def __init__(self, context: Context, merchant: str, imp_uid: str, since: float) -> None:
        self._context = context
        self._policy = policy(context.settings, since)
        self.merchant = merchant
        self.imp_uid = imp_uid

    @classmethod
    async def of(cls, call: Call[OfMerchant, Any]) -> Asking:
        """The payment of a call, looked at where it never was.

        Raises `NotFound`, `HiddenPayment` where it does not exist for the merchant, and `IamportUnreachable`.
        """
        merchant, imp_uid = call.query.merchant, call.path["imp_uid"]
        if not IMP_UID.fullmatch(imp_uid):
            raise NotFound(f"there is no payment {imp_uid!r}")
        owner = await call.context.ledger.merchants.get(merchant)
        asking = cls(call.context, merchant, imp_uid, owner.since)
        try:
            record = await asking.record()
        except NotFound:
            if not await refreshed(call.context, merchant, imp_uid):
                raise IamportUnreachable(f"payment {imp_uid} was never seen, and no look came through") from None
        else:
            if (why := hidden_test_payment(record.snapshot, owner)) is not None:
                raise why
        return asking

    async def record(self) -> Record:
        """What is known of the payment now."""
        return await self._context.ledger.refresh_lane.record(self.merchant, self.imp_uid)

    async def write(self, decide: Callable[[Record, int, Policy], Change]) -> Change:
        """Decide on what is known now, and write it."""
        now = int(await self._context.ledger.store.now())
        return await self._context.ledger.refresh_lane.amend(
            self.merchant, self.imp_uid, lambda record: decide(record, now, self._policy)
        )

    async def look(self) -> None:
        """Ask for a look."""
        await self._context.ledger.refresh_lane.mark_dirty(self.merchant, self.imp_uid)

    async def account(self) -> MerchantClient:
        """i'mport as the merchant sees it. Raises `WrongCredentials`."""
        return await self._context.accounts.get(self.merchant)

    async def answer(self, status: int) -> OperationResult:
        """The payment as it stands now."""
        payment = await self._context.ledger.payments.get(self.merchant, self.imp_uid)
        return OperationResult(await payment_out(self._context, payment), status)


async def cancel(call: Call[OfMerchant, CancellationIn]) -> OperationResult:
    """Cancel a payment, or note that it was asked for elsewhere."""
    asking = await Asking.of(call)
    if call.body.record_only:
        await asking.write(
            lambda record, now, own: _noted(record, _request(record, call.body, "record", now), now, own)
        )
        await asking.look()
        return await asking.answer(202)
    account = await asking.account()
    change = await asking.write(
        lambda record, now, own: intend(record, _request(record, call.body, "api", now), now, own)
    )
    request = change.record.requests[-1]
    try:
        await account.client.cancel(asking.imp_uid, _form(call.body, change.previous, request))
    except (Invalid, IamportRefused, WrongCredentials, IamportUnreachable):
        await asking.write(lambda record, now, own: withdraw(record, request.id, now, own))
        raise
    except IamportFailing as error:
        log.warning(
            "cancellation_unclear", merchant=asking.merchant, imp_uid=asking.imp_uid, cancellation=request.id,
            error=str(error),
        )  # fmt: skip
        await asking.write(lambda record, now, own: leave_open(record, request.id, now, own))
        await asking.look()
        raise
    log.info("cancellation_sent", merchant=asking.merchant, imp_uid=asking.imp_uid, cancellation=request.id)
    await asking.write(lambda record, now, own: mark_sent(record, request.id, now, own))
    await asking.look()
    return await asking.answer(200 if await _confirmed(asking, request.id) else 202)


async def close(call: Call[OfMerchant, RejectionIn]) -> OperationResult:
    """Close a pending cancellation as rejected."""
    asking, request_id = await Asking.of(call), call.path["id"]
    await asking.write(lambda record, now, own: reject_request(record, request_id, now, own, call.body.reason))
    return await asking.answer(200)


async def _confirmed(asking: Asking, request_id: str) -> bool:
    """Whether a look showed the cancellation done; one that shows it pending, or takes too long, leaves it open."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        state = next((row.state for row in (await asking.record()).requests if row.id == request_id), "confirmed")
        if state not in ("sending", "sent"):
            return state == "confirmed"
        await asyncio.sleep(_LOOK_EVERY)
    await asking.write(lambda record, now, own: leave_open(record, request_id, now, own))
    return False


def _noted(record: Record, request: CancellationRequest, now: int, own: Policy) -> Change:
    check(record, request)
    return record_request(record, request, now, own)


def _request(record: Record, body: CancellationIn, origin: Any, now: int) -> CancellationRequest:
    amount = left_to_cancel(record) if body.amount is None else body.amount
    identity = "can_" + base64.b32encode(secrets.token_bytes(15)).decode().lower()
    return CancellationRequest(identity, amount, "sending", origin, now, body.reason)


def _form(body: CancellationIn, record: Record, request: CancellationRequest) -> dict[str, Any]:
    """The fields of ``POST /payments/cancel``; ``checksum`` is what i'mport should find left before it acts."""
    form = body.model_dump(exclude={"record_only", "amount", "checksum"}, exclude_none=True)
    # Requests that wait for their result have not reduced what i'mport counts as left.
    at_iamport = left_to_cancel(record, minus_requests=False)
    if body.amount is not None or request.amount != at_iamport:
        form["amount"] = request.amount
    return form | {"checksum": at_iamport if body.checksum is None else body.checksum}


_ALL = "/v1/payments/{imp_uid}/cancellations"

OPERATIONS = (
    Operation(
        "POST", _ALL, "Cancel a payment", cancel, {200: PaymentOut, 202: PaymentOut}, query=OfMerchant,
        body=CancellationIn, problems=(404, 409, 502, 504),
    ),
    Operation(
        "POST", f"{_ALL}/{{id}}/reject", "Close a pending cancellation", close, {200: PaymentOut}, query=OfMerchant,
        body=RejectionIn, problems=(404, 409, 502),
    ),
)  # fmt: skip
