"""The entries that a change of a payment adds to the outbox, as far as a worker knows them. A script's stamp adds the
rest.

An event's body is stored whole: compressed, i'mport's object in it costs less than a row of its own and a reference to
it. Only a long object, which each event of a look-up would repeat, is shared.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from schemas import wire
from schemas.compression import compress
from schemas.outbox import cold_record
from schemas.outbox.entries import Event, Payment, SharedObject
from schemas.payments import events
from schemas.payments.decide import Change, Record
from schemas.payments.facts import cancelled_amount, plain
from schemas.payments.snapshot import Snapshot
from schemas.times import unix

SHARED_FROM = 16_384
"""From this many bytes on, an object is shared by the events of its look-up, if there is more than one event."""
MOST_PAYER = 300
"""The first characters of what a buyer typed; only these can be searched."""


def of_payment(record: Record, revision: int = 0, *, first_at: int = 0, changed_at: int = 0) -> Payment:
    """The entry of a payment whose record has a snapshot. The script adds `first_at`, `changed_at`, `fetched_at`,
    `next_look_at`, `silent` and `revision`."""
    snapshot = record.snapshot
    if snapshot is None:
        raise ValueError(f"payment {record.imp_uid} was never looked at")
    return Payment(
        merchant=record.merchant,
        imp_uid=record.imp_uid,
        revision=revision,
        merchant_uid=snapshot.merchant_uid,
        status=record.status.value,
        pay_method=snapshot.pay_method,
        pg_provider=snapshot.pg_provider,
        sequence=record.sequence,
        amount=f"{snapshot.amount:f}",
        cancelled_amount=plain(cancelled_amount(record.facts.values())),
        currency=snapshot.currency,
        first_at=first_at,
        changed_at=changed_at,
        contradicts=wire.dumps(record.contradicts).decode(),
        payer=payer(snapshot),
        snapshot=compress(snapshot.raw),
        record=cold_record.dump(record),
        erased_at=record.erased_at,
    )


class EventEntries(NamedTuple):
    """The entries of a change's events, and of the object that they share, if any."""

    events: tuple[Event, ...]
    shared: tuple[SharedObject, ...]


def of_events(change: Change, revision: int) -> EventEntries:
    """The entries of a change's events. The script adds `recorded_at`, and `silent` if it decides so. `revision` is the
    permanent name of the object that they share."""
    record, made = change.record, change.events
    shared = {event.callback.payment for event in made if event.callback.payment is not None}
    is_shared = len(made) > 1 and len(shared) == 1 and len(next(iter(shared))) >= SHARED_FROM
    merchant, imp_uid = record.merchant, record.imp_uid
    objects = (SharedObject(merchant, imp_uid, revision, compress(next(iter(shared)))),) if is_shared else ()
    shown = revision if is_shared else None
    return EventEntries(tuple(of_event(event, merchant, imp_uid, object_revision=shown) for event in made), objects)


def of_event(
    event: events.Event, merchant: str, imp_uid: str, *, object_revision: int | None = None, recorded_at: int = 0
) -> Event:
    """The entry of one event. If ``object_revision`` names i'mport's object, the body is stored without it."""
    values = event.values or wire.loads(event.callback.text)
    data = values["data"]
    return Event(
        id=event.id,
        merchant=merchant,
        imp_uid=imp_uid,
        type=event.type,
        sequence=event.sequence,
        recorded_at=recorded_at,
        silent=event.silent,
        sandbox=event.sandbox,
        happened_at=round(unix(values["timestamp"]) * 1000),
        merchant_uid=data["merchant_uid"],
        status=event.status.value,
        amount=f"{Decimal(data['amount']):f}",
        cancelled_amount=f"{Decimal(data['cancelled_amount']):f}",
        currency=data["currency"],
        detail=wire.dumps(data["detail"]).decode(),
        object_revision=object_revision,
        body=compress(event.body if object_revision is None else event.callback.text),
    )


def payer(snapshot: Snapshot) -> str:
    """The text that a search for a buyer looks at: name, e-mail address, telephone number (as written and its digits
    alone), and the names of depositors."""
    texts = [text for text in (*snapshot.buyer, *(row.depositor for row in snapshot.deposits)) if text]
    telephone = snapshot.buyer[2]
    if telephone:
        texts.append("".join(filter(str.isdigit, telephone)))
    return searchable(dict.fromkeys(texts))[:MOST_PAYER]


def searchable(texts: Iterable[str]) -> str:
    """The texts in the form in which a search compares them: in NFC, without capitals, a line each."""
    return unicodedata.normalize("NFC", "\n".join(texts)).casefold()
