"""Rows of a ledger as entries, for writing them to history again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ledger import attempt_rows, payment_rows
from ledger.bodies import stored_body
from ledger.rows import Row, paired, text
from schemas import wire
from schemas.compression import compress, decompress
from schemas.outbox import entries
from schemas.outbox.entries import Entry
from schemas.outbox.of_change import SHARED_FROM, of_event, of_payment
from schemas.outbox.of_endpoint import of_endpoint_event
from schemas.payments import events
from schemas.payments.events import CallbackBody
from schemas.payments.facts import Status


def whole_payment(merchant: str, imp_uid: str, row: Sequence[Any]) -> Iterator[Entry]:
    """The entry of a payment that `read_whole_payment` has read."""
    revision, changed_at, next_look_at, stored = row
    kept = payment_rows.of_row(merchant, imp_uid, stored)
    payment = of_payment(kept.load(), int(revision), first_at=kept.first_at, changed_at=int(changed_at or 0))
    yield replace(
        payment,
        fetched_at=kept.fetched_at,
        next_look_at=int(next_look_at) if next_look_at else None,
        silent=not kept.announced,
    )


def whole_events(rows: Sequence[Any], objects: Sequence[bytes], revision: int) -> Iterator[Entry]:
    """The entries of events that `read_whole_events` has read, with their deliveries and attempts. A long object that
    several events show is shared. Its revision is the version under which the ledger has it, so that it does not depend
    on how many events of a payment are read at a time."""
    shows = Counter(place for _, place, _, _ in rows if place)
    shared = {place for place, n in shows.items() if n > 1 and len(decompress(objects[place - 1])) >= SHARED_FROM}
    for identity, place, stored, deliveries in rows:
        event = paired(stored)
        if not event:
            continue
        object_revision = int(event["snap"]) if place in shared else None
        if object_revision is not None:
            shown = compress(decompress(objects[place - 1]))
            yield entries.SharedObject(_text(event, "merchant"), _text(event, "imp_uid"), object_revision, shown)
        yield _event(identity.decode(), event, stored_body(event["body"], objects, place), object_revision)
        for _, fields, attempts in deliveries:
            if fields:
                yield from _delivery(paired(fields), attempts, revision)


def _event(identity: str, row: Row, body: CallbackBody, object_revision: int | None) -> entries.Event:
    merchant, imp_uid, recorded_at = _text(row, "merchant"), _text(row, "imp_uid"), _int(row, "recorded_at") or 0
    if not imp_uid:
        event = of_endpoint_event(identity, _text(row, "type"), decompress(row["body"]), about=_text(row, "about"))
        return replace(event, merchant=merchant, recorded_at=recorded_at)
    status = Status(wire.loads(body.text)["data"]["status"])
    made = events.Event(
        identity, _text(row, "type"), _int(row, "sequence") or 0, status, body,
        row.get("silent") == b"1", row.get("sandbox") == b"1",
    )  # fmt: skip
    return of_event(made, merchant, imp_uid, object_revision=object_revision, recorded_at=recorded_at)


def _delivery(row: Row, attempts: Sequence[bytes], revision: int) -> Iterator[Entry]:
    event, endpoint, imp_uid = (_text(row, name) for name in ("event", "endpoint", "imp_uid"))
    state, made = _text(row, "state"), _int(row, "made") or 0
    yield entries.Delivery(
        event=event,
        endpoint=endpoint,
        merchant=_text(row, "merchant"),
        imp_uid=imp_uid,
        type=_text(row, "type"),
        sequence=_int(row, "sequence") or 0,
        state=state,
        created_at=_int(row, "created_at") or 0,
        changed_at=round(1000 * attempt_rows.load(attempts[-1]).at) if attempts else _int(row, "created_at") or 0,
        next_attempt_at=_int(row, "next_at") if state == "pending" else None,
        reason=text(row, "reason"),
        attempts=_int(row, "attempts") or 0,
        replay=text(row, "replay_id"),
        revision=revision,
    )
    first = max(made, len(attempts)) - len(attempts) + 1
    for place, one in enumerate(attempts, first):
        yield attempt_rows.to_entry(one, imp_uid, event, endpoint, place)


def _text(row: Row, field: str) -> str:
    return row.get(field, b"").decode()


def _int(row: Row, field: str) -> int | None:
    stored = row.get(field)
    return int(float(stored)) if stored else None
