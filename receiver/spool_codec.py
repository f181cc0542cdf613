"""How the spool stores a notification, version 1: as a JSON object.

Files outlive versions of the relay: missing fields are None, and unknown fields are ignored.
"""

from __future__ import annotations

from typing import Any

import orjson

from schemas.payments.notification import Notification

VERSION = 1


def encode(notification: Notification) -> bytes:
    """The notification as one row."""
    traced = {"traceparent": notification.traceparent} if notification.traceparent else {}
    return orjson.dumps(
        {
            "v": VERSION,
            "id": notification.id,
            "merchant": notification.merchant,
            "imp_uid": notification.imp_uid,
            "merchant_uid": notification.merchant_uid,
            "status": notification.status,
            "cancellation_id": notification.cancellation_id,
            "source": notification.source,
            "verified": notification.verified,
            "received_at": notification.received_at,
            "extra": notification.extra.decode("utf-8"),
            "token_hash": notification.token_hash,
            **traced,
        }
    )


def decode(row: bytes) -> Notification:
    """The notification of a row. Raises `ValueError` for a row that is not one, or of a newer version."""
    fields: Any = orjson.loads(row)
    if not isinstance(fields, dict) or fields.get("v") != VERSION:
        raise ValueError("not a row of version 1")
    if not all(isinstance(fields.get(name), str) for name in ("id", "merchant", "imp_uid")):
        raise ValueError("a row without id, merchant or imp_uid")
    return Notification(
        id=fields["id"],
        merchant=fields["merchant"],
        imp_uid=fields["imp_uid"],
        merchant_uid=fields.get("merchant_uid"),
        status=fields.get("status"),
        cancellation_id=fields.get("cancellation_id"),
        source=fields.get("source") or "",
        verified=fields.get("verified") is True,
        received_at=fields.get("received_at"),
        extra=(fields.get("extra") or "").encode(),
        token_hash=fields.get("token_hash"),
        traceparent=fields.get("traceparent") or "",
    )
