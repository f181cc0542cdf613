"""`/v1/notifications`: webhooks as they were stored, and their outcome."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from console.http import acts
from console.http.models import (
    Listing,
    ListOut,
    Merchant,
    Nothing,
    Out,
    Parameters,
    ReasonCode,
    ReasonText,
    Time,
)
from console.http.operation import Call, Operation, OperationResult, listed
from console.operations.read_notifications import list_notifications, read_notification
from ledger.notifications import Outcome


class NotificationOut(Out):
    """A webhook as it came; nothing it reports is trusted before a look-up confirms it."""

    id: str
    merchant: str
    imp_uid: str
    merchant_uid: str | None
    status: str | None
    cancellation_id: str | None
    source: str | None = Field(description="the address it came from")
    received_at: Time
    outcome: Outcome
    reason: ReasonText | None
    reason_code: ReasonCode = Field(validation_alias="reason")
    extra: dict[str, Any] = Field(description="what else its body held, up to 4 KiB; long texts are cut")


class NotificationList(ListOut[NotificationOut]):
    """Some notifications."""


class NotificationListing(Listing):
    """Which notifications."""

    merchant: Merchant | None = None
    imp_uid: str | None = Field(None, min_length=1, max_length=200)
    outcome: Outcome | None = None


async def list_(call: Call[NotificationListing, Nothing]) -> OperationResult:
    """Notifications, newest first."""
    query = call.query
    page = await list_notifications(
        call.context, query.part, merchant=query.merchant, imp_uid=query.imp_uid, outcome=query.outcome
    )
    return listed(NotificationList, page)


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One notification."""
    return OperationResult(NotificationOut.model_validate(await read_notification(call.context, call.path["id"])))


OPERATIONS = (
    Operation("GET", "/v1/notifications", "List notifications", list_, {200: NotificationList},
              query=NotificationListing, audited=acts.NOTIFICATION_LIST),
    Operation("GET", "/v1/notifications/{id}", "Show a notification", get, {200: NotificationOut}, problems=(404,),
              audited=acts.NOTIFICATION_READ),
)  # fmt: skip
