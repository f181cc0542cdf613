"""The callbacks that subscribers get, as the `webhooks` of the OpenAPI description: a body for each type of event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from console.http.models import Amount, Time
from schemas.endpoints.endpoint import ENDPOINT_TYPES, TEST_TYPE
from schemas.payments.facts import Status


class CallbackModel(BaseModel):
    """A part of a callback; later versions may add fields to it."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class NoDetail(CallbackModel):
    """Nothing beside what every event says."""


class VirtualAccount(CallbackModel):
    """An account that was issued for one payment."""

    bank_code: str | None
    bank_name: str | None
    number: str
    holder: str | None
    deadline: Time | None = Field(description="null for an account without one")


class AccountDetail(CallbackModel):
    """Which account."""

    virtual_account: VirtualAccount


class Deposit(CallbackModel):
    """A further deposit into a fixed virtual account."""

    id: str | None
    amount: Amount
    depositor: str | None
    deposited_at: Time | None


class DepositDetail(CallbackModel):
    """Which deposit."""

    deposit: Deposit


class Failure(CallbackModel):
    """Why and when a payment failed."""

    reason: str | None
    failed_at: Time | None


class FailureDetail(CallbackModel):
    """Which failure."""

    failure: Failure


class Cancellation(CallbackModel):
    """A cancellation, asked for or done."""

    id: str | None = Field(description="i'mport's cancellation_id once there is one, before that the request's")
    request: str | None = Field(description="the request it belongs to")
    amount: Amount | None
    reason: str | None
    requested_at: Time | None
    cancelled_at: Time | None
    receipt_url: str | None


class CancellationDetail(CallbackModel):
    """Which cancellation."""

    cancellation: Cancellation


class Expected(CallbackModel):
    """What the merchant said an order costs."""

    amount: Amount
    currency: str | None


class MismatchDetail(CallbackModel):
    """What was expected."""

    expected: Expected


class Escrow(CallbackModel):
    """How an escrow purchase goes on."""

    status: Literal["shipped", "confirmed", "refused", "cancelled", "refusal_confirmed", "other"]
    code: str = Field(description="as i'mport sent it")
    changed_at: Time | None
    denied_reason: str | None


class EscrowDetail(CallbackModel):
    """Which change."""

    escrow: Escrow


class PaymentData(CallbackModel):
    """A payment as it stood after the fact."""

    merchant: str
    imp_uid: str
    merchant_uid: str
    status: Status
    previous_status: Status | None = Field(description="null for a payment's first event")
    sequence: int = Field(ge=1, description="counts a payment's events")
    amount: Amount
    cancelled_amount: Amount
    currency: str
    pay_method: str | None
    pg_provider: str | None
    sandbox: bool
    payment: dict[str, Any] = Field(default={}, description="i'mport's object as fetched; not in a thin payload")


class EndpointData(CallbackModel):
    """An endpoint whose health has changed."""

    merchant: str
    endpoint: str
    url: str = Field(description="without its query")
    description: str
    state: Literal["enabled", "disabled"]
    reason: str
    failures: int
    failing_since: Time | None


class TestData(CallbackModel):
    """What a test is about."""

    merchant: str
    endpoint: str


class Callback(CallbackModel):
    """The body of a callback; it never changes between attempts."""

    id: str = Field(description="the event's id: one for each fact, for good")
    timestamp: Time = Field(description="when it happened")


def _name(kind: str) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._]", kind))


def _of(kind: str, data: type[BaseModel]) -> type[Callback]:
    type_: Any = Literal[kind]
    return create_model(_name(kind), __base__=Callback, __doc__=MEANINGS[kind], type=(type_, ...), data=(data, ...))


def _of_payment(kind: str, detail: type[BaseModel]) -> type[Callback]:
    return _of(kind, create_model(f"{_name(kind)}Data", __base__=PaymentData, detail=(detail, ...)))


MEANINGS: Mapping[str, str] = {
    "payment.virtual_account_issued": "A virtual account was issued and waits for a deposit.",
    "payment.virtual_account_expired": "Its deadline passed without a deposit. i'mport never announces this; the relay "
    "looks it up again after the deadline and `RELAY_EXPIRY_GRACE`. A later deposit is `payment.paid` all the same.",
    "payment.deposited": "A further deposit into a fixed virtual account. The first one is `payment.paid`.",
    "payment.paid": "The payment was approved, also when it had failed before: Paymentwall reviews payments, and an "
    "order that was closed meanwhile may have to be kept or cancelled.",
    "payment.failed": "The payment failed. i'mport announces this for scheduled payments only. Other failures are "
    "recorded when a refresh finds them.",
    "payment.cancellation_pending": "A cancellation was requested and its result is not known yet. Show “waiting for "
    "cancellation”; `payment.cancelled`, `payment.partially_cancelled` or `payment.cancellation_rejected` follows.",
    "payment.partially_cancelled": "Part of the amount was cancelled: `detail.cancellation.amount` now, "
    "`cancelled_amount` in all.",
    "payment.cancelled": "The rest of the amount was cancelled.",
    "payment.cancellation_rejected": "A pending cancellation was rejected, or one that only a webhook reported was "
    "never confirmed.",
    "payment.escrow_changed": "An Inicis escrow purchase was shipped, confirmed, refused, cancelled, or its refusal "
    "confirmed; `code` is Inicis' own. The payment's `status` does not change. i'mport announces this by webhook "
    "only: the relay believes it from [verified sources](iamport.md#4-who-may-post) only, and no reconciliation, "
    "refresh or rebuilt ledger can find one that was missed.",
    "payment.amount_mismatch": "The approved amount or currency is not what the merchant expected "
    "(`PUT /v1/orders/{merchant_uid}`, or `check_prepared`). Check the payment before you ship.",
    "endpoint.failing": "All attempts at an endpoint have failed for an hour (or half of `RELAY_DISABLE_AFTER`, if "
    "that is less), at least five.",
    "endpoint.disabled": "An endpoint was disabled: it answered 410, or only failed for `RELAY_DISABLE_AFTER`, at "
    "least 20 times. Its deliveries are held.",
    "endpoint.recovered": "An endpoint that was failing or disabled takes callbacks again.",
    "relay.test": "An operator tests an endpoint. It is signed like any other and means nothing else.",
}
"""When each event is sent, for people."""

CALLBACKS: Mapping[str, type[Callback]] = {
    kind: _of_payment(kind, detail)
    for detail, kinds in (
        (AccountDetail, ("payment.virtual_account_issued", "payment.virtual_account_expired")),
        (DepositDetail, ("payment.deposited",)),
        (NoDetail, ("payment.paid",)),
        (FailureDetail, ("payment.failed",)),
        (
            CancellationDetail,
            (
                "payment.cancellation_pending",
                "payment.partially_cancelled",
                "payment.cancelled",
                "payment.cancellation_rejected",
            ),
        ),
        (EscrowDetail, ("payment.escrow_changed",)),
        (MismatchDetail, ("payment.amount_mismatch",)),
    )
    for kind in kinds
} | {
    **{kind: _of(kind, EndpointData) for kind in ENDPOINT_TYPES},
    TEST_TYPE: _of(TEST_TYPE, TestData),
}
"""The body of each type of event."""
