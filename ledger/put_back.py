"""Putting payments back whole that history has and the ledger lacks: the arguments of `put_back_events` and
`put_back_payment`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, count

from ledger import attempt_rows
from ledger.bodies import stored_object
from ledger.cells import Cells, by
from ledger.rows import flat
from ledger.scripting import Argument
from ledger.store import Store
from schemas import wire
from schemas.compression import compress
from schemas.outbox import cold_record
from schemas.outbox.entries import Attempt, Delivery, Event, Payment
from schemas.outbox.whole_payment import WholePayment
from schemas.payments.facts import Status

MOST_BYTES = 1_048_576
"""About how many bytes of events one call puts back: more would keep Redis from serving others."""
_STORED_STATE = {"held": "pending"}


async def put_back(cells: Cells, some: Sequence[WholePayment]) -> tuple[int, int]:
    """Put back payments with all that belongs to them. Returns how many, and how many deliveries are pending. Raises
    `LedgerUnavailable`, and `ValueError` for a damaged record."""
    payments = pending = 0
    for merchant, mine in by((part for one in some for part in _by_merchant(one)), _merchant).items():
        counts = await _put_back(cells.of(merchant), mine)
        payments, pending = payments + counts[0], pending + counts[1]
    return payments, pending


async def _put_back(store: Store, some: Sequence[WholePayment]) -> tuple[int, int]:
    records = [record_args(one.payment) for one in some if one.payment is not None]
    events = [args for one in some for args in events_args(one)]
    pending = sum(await store.run_all("put_back_events", events, durable=not records)) if events else 0
    put_back = await store.run_all("put_back_payment", records, durable=True) if records else []
    return sum(put_back), pending


def _merchant(whole: WholePayment) -> str:
    return whole.payment.merchant if whole.payment else whole.events[0].merchant


def _by_merchant(whole: WholePayment) -> Iterator[WholePayment]:
    """The whole, or, if its events belong to no payment, a part for each merchant that has some of them."""
    if whole.payment is not None:
        yield whole
        return
    for events in by(whole.events, lambda event: event.merchant).values():
        ids = {event.id for event in events}
        mine = tuple(sent for sent in whole.deliveries if sent[0].event in ids)
        yield replace(whole, events=tuple(events), deliveries=mine)


def record_args(payment: Payment) -> list[Argument]:
    """What `put_back_payment` takes. Raises `ValueError` for a damaged record."""
    record = cold_record.load(payment.merchant, payment.imp_uid, payment.record, payment.snapshot)
    next_look, fetched_at = ("" if at is None else at for at in (payment.next_look_at, payment.fetched_at))
    return [
        payment.merchant, payment.imp_uid, payment.first_at, next_look, payment.merchant_uid, record.version,
        fetched_at, int(not payment.silent), int(record.status is Status.PENDING), payment.record, payment.snapshot,
    ]  # fmt: skip


def events_args(whole: WholePayment) -> Iterator[list[Argument]]:
    """What each call of `put_back_events` takes: some events with their deliveries, and the objects that they show."""
    payment = whole.payment
    names: tuple[Argument, ...] = (payment.merchant, payment.imp_uid) if payment else ("", "")
    sent: dict[str, list[tuple[Delivery, tuple[Attempt, ...]]]] = {}
    for delivery, attempts in whole.deliveries:
        sent.setdefault(delivery.event, []).append((delivery, attempts))
    stored: set[int] = set()
    for part in _parts(sorted(whole.events, key=lambda event: event.sequence)):
        shown = {event.object_revision for event in part if event.object_revision is not None} - stored
        stored |= shown
        objects = [(revision, stored_object(whole.objects[revision])) for revision in sorted(shown)]
        deliveries = [one for event in part for one in sent.get(event.id, ())]
        yield [
            *names, len(objects), *flat(objects),
            len(part), *chain.from_iterable(map(_event, part)),
            len(deliveries), *chain.from_iterable(_delivery(*one) for one in deliveries),
        ]  # fmt: skip


def _parts(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    part: list[Event] = []
    size = 0
    for event in events:
        if part and size + len(event.body) > MOST_BYTES:
            yield part
            part, size = [], 0
        part.append(event)
        size += len(event.body)
    if part:
        yield part


def _event(event: Event) -> list[Argument]:
    sandbox = bool(event.imp_uid) and wire.loads(event.body)["data"].get("sandbox") is True
    snap: Argument = "" if event.object_revision is None else event.object_revision
    return [
        event.id, event.merchant, event.type, event.sequence, event.recorded_at, int(event.silent), int(sandbox),
        event.about or "", snap, compress(event.body),
    ]  # fmt: skip


def _delivery(delivery: Delivery, attempts: Sequence[Attempt]) -> list[Argument]:
    made = max([len(attempts), *(attempt.number for attempt in attempts)])
    first = made - len(attempts) + 1
    next_at: Argument = "" if delivery.next_attempt_at is None else delivery.next_attempt_at
    return [
        delivery.event, delivery.endpoint, delivery.type, delivery.sequence,
        _STORED_STATE.get(delivery.state, delivery.state), delivery.created_at, next_at, delivery.reason or "",
        delivery.attempts, made, delivery.replay or "", len(attempts),
        *map(attempt_rows.of_entry, attempts, count(first)),
    ]  # fmt: skip
