"""The events of a payment, or of a type, with all that belongs to them: read in parts, so that nobody waits for a long
history and it need not fit into memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledger import keys
from ledger.store import Store

MOST_EVENTS = 200
"""Events of one call."""
MOST_BYTES = 1_048_576
"""Bytes of one call, about, with deliveries, attempts and i'mport's objects; one event may have more."""


@dataclass(frozen=True, slots=True)
class EventsPart:
    """Some events as read_whole_events.lua returns them, the `objects` that they show, the `revision` that they were
    read at, and the place that the `following` ones are behind, "" where there are none."""

    revision: int
    following: str
    rows: Sequence[Any]
    objects: Sequence[bytes]


async def events_of_payments(store: Store, payments: Sequence[str]) -> AsyncIterator[list[EventsPart]]:
    """All events of some payments (`keys.payment`), each payment's in their order: a part of each in one round trip."""
    after = dict.fromkeys(payments, "0")
    while after:
        wanted = [(keys.EVENTS_OF_PAYMENT(payment), payment, place) for payment, place in after.items()]
        parts = await _read(store, wanted)
        yield parts
        after = {payment: part.following for payment, part in zip(after, parts, strict=True) if part.following}


async def events_of_type(store: Store, type_: str, after: str) -> EventsPart:
    """Events of a type that belong to no payment, behind a place ("0" is before the first)."""
    (part,) = await _read(store, [(keys.EVENTS_OF_TYPE(type_), "", after)])
    return part


async def _read(store: Store, wanted: Sequence[tuple[str, str, str]]) -> list[EventsPart]:
    found = await store.run_all("read_whole_events", [[*one, MOST_EVENTS, MOST_BYTES] for one in wanted])
    return [
        EventsPart(int(revision), following.decode(), rows, objects) for revision, following, rows, objects in found
    ]
