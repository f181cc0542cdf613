"""What an export shows of each row: its fields, in the order of NDJSON. Bytes are JSON already; what begins with `_` is
for one of the two formats."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from history.deliveries import RecordedDelivery
from schemas.compression import decompress
from schemas.outbox.entries import Event, Notification, Payment
from schemas.times import rfc3339

Words = Callable[[str], str]
Fields = dict[str, Any]


def of_payment(payment: Payment) -> Fields:
    """A payment; `payment` is i'mport's object in JSON."""
    return {
        "merchant": payment.merchant,
        "imp_uid": payment.imp_uid,
        "merchant_uid": payment.merchant_uid,
        "status": payment.status,
        "pay_method": payment.pay_method,
        "pg_provider": payment.pg_provider,
        "sequence": payment.sequence,
        "amount": Decimal(payment.amount),
        "cancelled_amount": Decimal(payment.cancelled_amount),
        "currency": payment.currency,
        "recorded_at": _time(payment.first_at),
        "changed_at": _time(payment.changed_at),
        "fetched_at": _time(payment.fetched_at),
        "erased_at": _time(payment.erased_at),
        "payment": decompress(payment.snapshot) or b"{}",
    }


def of_event(event: Event) -> Fields:
    """An event; `_flat` has the fields of its callback that CSV shows, `_body` the callback itself."""
    return {
        "_flat": {
            "merchant": event.merchant,
            "imp_uid": event.imp_uid,
            "merchant_uid": event.merchant_uid,
            "sequence": event.sequence,
            "status": event.status,
            "amount": event.amount,
            "cancelled_amount": event.cancelled_amount,
            "currency": event.currency,
            "timestamp": _time(event.happened_at),
            "detail": event.detail,
        },
        "id": event.id,
        "type": event.type,
        "recorded_at": _time(event.recorded_at),
        "silent": event.silent,
        "_body": event.body,
    }


def of_delivery(one: RecordedDelivery, words: Words) -> Fields:
    """A delivery with its attempts; `_flat` has what CSV shows of the attempts."""
    delivery = one.delivery
    last = one.attempts[-1] if one.attempts else None
    return {
        "_flat": {
            "attempts": delivery.attempts,
            "last_status_code": last and last.status_code,
            "last_duration_ms": last and last.duration_ms,
        },
        "id": delivery.id,
        "event": delivery.event,
        "endpoint": delivery.endpoint,
        "merchant": delivery.merchant,
        "imp_uid": delivery.imp_uid,
        "type": delivery.type,
        "state": delivery.state,
        "created_at": _time(delivery.created_at),
        "changed_at": _time(delivery.changed_at),
        "next_attempt_at": _time(delivery.next_attempt_at),
        "reason": _worded(delivery.reason, words),
        "attempts": [
            {
                "at": _time(attempt.at),
                "status_code": attempt.status_code,
                "duration_ms": attempt.duration_ms,
                "error": _worded(attempt.error, words),
                "response": attempt.response,
                "replay": attempt.replay,
            }
            for attempt in one.attempts
        ],
    }


def of_notification(notification: Notification, words: Words) -> Fields:
    """A webhook."""
    return {
        "id": notification.id,
        "merchant": notification.merchant,
        "imp_uid": notification.imp_uid,
        "merchant_uid": notification.merchant_uid,
        "status": notification.status,
        "cancellation_id": notification.cancellation_id,
        "source": notification.source,
        "received_at": _time(notification.received_at),
        "outcome": notification.outcome,
        "reason": _worded(notification.reason, words),
        "extra": (notification.extra or "{}").encode(),
    }


def _worded(reason: str | None, words: Words) -> str | None:
    return words(reason) if reason else None


def _time(at: int | None) -> str | None:
    return rfc3339(at / 1000) if at else None
