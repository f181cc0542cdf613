"""Turns rows of history into the objects that the ledger returns, so that operators see both alike."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

from history.deliveries import RecordedDelivery
from ledger.deliveries import DeliveryView
from ledger.endpoints import RegisteredEndpoint, load_registered
from ledger.events import StoredEvent
from ledger.payments import Payment
from ledger.reconciliations import Reconciliation, load_run
from ledger.replays import Replay, load_replay
from schemas import wire
from schemas.compression import decompress
from schemas.endpoints.delivery import Attempt
from schemas.endpoints.states import DeliveryState, withheld_because
from schemas.outbox import cold_record, entries
from schemas.outbox.packed_row import unpack_row
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason, stored


def payment(row: entries.Payment) -> Payment:
    """A payment."""
    return Payment(
        merchant=row.merchant,
        imp_uid=row.imp_uid,
        merchant_uid=row.merchant_uid,
        status=row.status,
        sequence=row.sequence,
        amount=Decimal(row.amount),
        cancelled_amount=Decimal(row.cancelled_amount),
        currency=row.currency,
        fetched_at=_seconds(row.fetched_at),
        snapshot=decompress(row.snapshot),
        requests=cold_record.requests(row.record),
        contradicts=wire.loads(row.contradicts),
        erased_at=_seconds(row.erased_at),
    )


def event(row: entries.Event) -> StoredEvent:
    """An event as history gives it, with its whole body."""
    return StoredEvent(
        id=row.id,
        type=row.type,
        merchant=row.merchant,
        imp_uid=row.imp_uid,
        sequence=row.sequence,
        recorded_at=row.recorded_at / 1000,
        silent=row.silent,
        callback=CallbackBody(row.body),
        about=row.about,
    )


def delivery(row: RecordedDelivery, disabled_reason: Reason | None = None) -> DeliveryView:
    """A delivery; `disabled_reason` says why its endpoint is disabled, if it is."""
    sent, reason = row.delivery, stored(row.delivery.reason)
    state = next(state for state in get_args(DeliveryState) if state == sent.state)
    was_pending = reason is None or sent.next_attempt_at is not None
    withheld = withheld_because(state, was_pending=was_pending, disabled_reason=disabled_reason)
    return DeliveryView(
        id=sent.id,
        event=sent.event,
        endpoint=sent.endpoint,
        merchant=sent.merchant,
        type=sent.type,
        imp_uid=sent.imp_uid,
        state=state,
        created_at=sent.created_at / 1000,
        next_attempt_at=_seconds(sent.next_attempt_at) if sent.state == "pending" else None,
        reason=withheld or reason,
        attempts=tuple(map(_attempt, row.attempts)),
    )


def endpoint(row: entries.Endpoint, now: float) -> RegisteredEndpoint:
    """An endpoint as it was when it was last recorded; `now` is in UNIX seconds."""
    return load_registered(unpack_row(row.row), now)


def replay(row: entries.Replay) -> Replay:
    """A replay."""
    return load_replay(row.id, unpack_row(row.row))


def reconciliation(row: entries.Reconciliation) -> Reconciliation:
    """A reconciliation."""
    return load_run(row.row)


def _attempt(row: entries.Attempt) -> Attempt:
    return Attempt(
        at=row.at / 1000,
        status_code=row.status_code,
        duration_ms=row.duration_ms,
        error=stored(row.error),
        response=row.response,
        replay=row.replay,
    )


def _seconds(at: int | None) -> float | None:
    return None if at is None else at / 1000
