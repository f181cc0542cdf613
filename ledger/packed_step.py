"""One step of a change, as ``ledger/scripts/commit.lua`` reads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from ledger.bodies import LONG, stored_object
from ledger.endpoint_rows import filters
from ledger.rows import flat
from ledger.scripting import Argument
from ledger.waiting import answered
from schemas.compression import compress
from schemas.outbox.codec import pack
from schemas.outbox.of_change import of_events, of_payment
from schemas.payments import escrow
from schemas.payments.commit_steps import Step
from schemas.payments.decide import Change
from schemas.payments.facts import Status

if TYPE_CHECKING:
    from ledger.refresh_lane import ClaimedPayment

_TEXTS = (str, bytes)


class PackedStep(NamedTuple):
    """One step of a change: its merchant, the script's arguments, and how many bytes these are."""

    merchant: str
    args: list[Argument]
    size: int


def pack_step(
    change: Change, step: Step, claimed: ClaimedPayment | None, now: float, *, with_object: bool, traceparent: str = ""
) -> PackedStep:
    """One step of a change as the script reads it. The object that the change's events show is stored under the version
    that the first step makes."""
    record, events = step.change.record, step.change.events
    payment, entries = of_payment(record), of_events(step.change, time.time_ns() // 1000)
    shown = (events[0].callback.payment or b"") if with_object and events else b""
    is_shown = record.snapshot is not None and shown == record.snapshot.raw
    answered = _answered(change, claimed) if step.is_last and claimed else []
    webhook_at = [one.received_at for one in claimed.waiting] if claimed else []
    args: list[Argument] = [
        str(claimed.lease.lane) if claimed else "",
        record.merchant,
        record.imp_uid,
        claimed.lease.token if claimed else "",
        step.change.previous.version,
        record.version,
        "" if step.change.next_refresh is None else round(step.change.next_refresh * 1000),
        int(claimed.silent) if claimed else 0,
        int(step.is_last),
        int(record.status is Status.PENDING),
        *(_needs(change) if step.is_first and not step.is_last else ("", "", "")),
        payment.merchant_uid,
        "" if claimed is None else round(now * 1000),
        max(webhook_at, default=""),
        min(webhook_at, default=""),
        traceparent if events else "",
        payment.record,
        payment.snapshot if with_object and not is_shown else b"",
        payment.snapshot if is_shown and len(shown) < LONG else stored_object(shown),
        change.previous.version + 1 if events else "",
        len(events),
    ]
    for event, entry in zip(events, entries.events, strict=True):
        args += [event.id, event.type, event.sequence, int(event.silent), int(event.sandbox), filters(event.type)]
        args += [compress(event.callback.text), pack(entry)]
    args += [pack(payment), *map(pack, entries.shared or ()), *(() if entries.shared else (b"",))]
    args += [int(bool(answered) and change.has_events), len(answered), *flat(answered)]
    return PackedStep(record.merchant, args, sum([len(arg) for arg in args if isinstance(arg, _TEXTS)]))


def _needs(change: Change) -> tuple[int, int, int]:
    """What all steps write together: about how many bytes, how many events, and how many of these to deliver."""
    size = sum(2 * len(event.callback.text) for event in change.events)
    found = len(change.record.snapshot.raw) if change.record.snapshot else 0
    shown = max((len(event.callback.payment or b"") for event in change.events), default=0)
    return size + found + shown, len(change.events), sum(not event.silent for event in change.events)


def _answered(change: Change, claimed: ClaimedPayment) -> list[tuple[str, bytes]]:
    """The notifications that this refresh answers. While it has not found a reported cancellation, all but those of
    escrow changes wait on."""
    record = change.record
    is_escrow = record.snapshot is None or record.snapshot.escrow
    return answered(
        claimed.waiting,
        "applied" if change.has_events else "unchanged",
        doubt=None if is_escrow else escrow.NOT_ESCROW,
        only_escrow=bool(record.reported_cancellations),
    )
