"""The log lines of refreshes."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from iamport.responses import LookupResult
from ledger.keys import Lane
from ledger.refresh_lane import ClaimedPayment, ClaimedPayments
from runtime.tracing import trace_id
from schemas.payments import escrow
from schemas.payments.decide import Change
from schemas.payments.snapshot import Snapshot
from schemas.reasons import english

log = structlog.get_logger()

MOST_NAMED = 5
"""imp_uids in one line of the log."""


def log_unrequested(lane: Lane, claimed: ClaimedPayments, answer: LookupResult) -> None:
    """Warn if an answer had payments that were not requested."""
    if answer.others:
        log.warning(
            "unrequested_payments_ignored", merchant=lane.name, requested=len(claimed.payments),
            unrequested=len(answer.others), imp_uids=answer.others[:MOST_NAMED],
            hint="payments that the answer lacks are looked up again",
        )  # fmt: skip


def log_failures(lane: Lane, claimed: ClaimedPayments, outcomes: Sequence[BaseException | None]) -> None:
    """Log one line for each kind of error; ``outcomes`` are in the order of the claimed payments."""
    failed: dict[str, list[str]] = {}
    for payment, outcome in zip(claimed.payments, outcomes, strict=True):
        if outcome is not None:
            failed.setdefault(repr(outcome), []).append(payment.record.imp_uid)
    for error, imp_uids in failed.items():
        log.error(
            "refreshes_failed", merchant=lane.name, error=error, payments=len(imp_uids),
            imp_uids=imp_uids[:MOST_NAMED], hint="they are refreshed again when their leases have ended",
        )  # fmt: skip


def log_commit(payment: ClaimedPayment, change: Change, snapshot: Snapshot, outcome: str) -> None:
    """Log a look-up and the outcome of its commit. Warn of announced facts that i'mport no longer shows, and of escrow
    changes that are ignored."""
    record = change.record
    log.info(
        "payment_looked_up", merchant=record.merchant, imp_uid=record.imp_uid, status=snapshot.status,
        events=len(change.events), recorded_status=record.status.value, outcome=outcome,
        **trace_id(payment.traceparent),
    )  # fmt: skip
    if outcome != "ok":
        return
    gone = set(record.contradicts) - set(change.previous.contradicts)
    if gone:
        log.warning(
            "payment_contradicted", merchant=record.merchant, imp_uid=record.imp_uid, no_longer_shown=sorted(gone),
            hint="i'mport no longer shows what these events announced; no event retracts them",
        )  # fmt: skip
    if payment.escrow_changes and not snapshot.escrow:
        log.warning(
            "escrow_change_ignored", merchant=record.merchant, imp_uid=record.imp_uid,
            reason=english(escrow.NOT_ESCROW), codes=[one.code for one in payment.escrow_changes],
        )  # fmt: skip


def log_events(traceparent: str, written: Change) -> None:
    """Log the events of one step of a commit as soon as it is written, because a later step may fail. `traceparent` is
    the commit's span, or ""."""
    record = written.record
    for event in written.events:
        log.info(
            "event_recorded", merchant=record.merchant, imp_uid=record.imp_uid, event_id=event.id, type=event.type,
            sequence=event.sequence, status=event.status.value, silent=event.silent, **trace_id(traceparent),
        )  # fmt: skip
