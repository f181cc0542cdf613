"""Notifications: what came in, and what became of it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from console.http.models import Listing, Merchant, Nothing, Out, Parameters, ReasonCode, ReasonText, Time, code_of
from console.http.operation import Call, Operation, OperationResult
from ledger.notifications import Outcome, StoredNotification
from schemas.times import rfc3339


class NotificationOut(Out):
    """A webhook; what it says is a claim, never believed."""

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
    reason_code: ReasonCode
    extra: dict[str, Any] = Field(description="what else its body held, up to 4 KiB; long texts are cut")


class NotificationList(Out):
    """Some notifications."""

    data: list[NotificationOut]
    next_cursor: str | None


class NotificationListing(Listing):
    """Which notifications."""

    merchant: Merchant | None = None
    imp_uid: str | None = Field(None, min_length=1, max_length=200)
    outcome: Outcome | None = None


def notification_out(noted: StoredNotification) -> NotificationOut:
    """A notification as operators see it."""
    return NotificationOut(
        id=noted.id,
        merchant=noted.merchant,
        imp_uid=noted.imp_uid,
        merchant_uid=noted.merchant_uid,
        status=noted.status,
        cancellation_id=noted.cancellation_id,
        source=noted.source,
        received_at=rfc3339(noted.received_at),
        outcome=noted.outcome,
        reason=noted.reason,
        reason_code=code_of(noted.reason),
        extra=dict(noted.extra),
    )


async def list_(call: Call[NotificationListing, Nothing]) -> OperationResult:
    """Notifications, newest first."""
    query = call.query
    page = await call.context.ledger.notifications.list(
        query.part, merchant=query.merchant, imp_uid=query.imp_uid, outcome=query.outcome
    )
    rows = [notification_out(row) for row in page.rows]
    return OperationResult(NotificationList(data=rows, next_cursor=page.next_cursor))


async def get(call: Call[Parameters, Nothing]) -> OperationResult:
    """One notification."""
    return OperationResult(notification_out(await call.context.ledger.notifications.get(call.path["id"])))


OPERATIONS = (
    Operation(
        "GET", "/v1/notifications", "List notifications", list_, {200: NotificationList}, query=NotificationListing
    ),
    Operation(
        "GET",
        "/v1/notifications/{id}",
        "Show a notification",
        get,
        {200: NotificationOut},
        problems=(404,),
    ),
)
