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
    read at, and the place of the `last` one, "" where there was none."""

    revision: int
    last: str
    rows: Sequence[Any]
    objects: Sequence[bytes]


async def events_of_payment(store: Store, payment: str) -> AsyncIterator[EventsPart]:
    """All events of a payment (`keys.payment`), in their order."""
    after = "0"
    while (part := await _read(store, keys.EVENTS_OF_PAYMENT(payment), payment, after)).last:
        yield part
        after = part.last


async def events_of_type(store: Store, type_: str, after: str) -> EventsPart:
    """Events of a type that belong to no payment, behind a place ("0" is before the first)."""
    return await _read(store, keys.EVENTS_OF_TYPE(type_), "", after)


async def _read(store: Store, list_: str, payment: str, after: str) -> EventsPart:
    revision, last, rows, objects = await store.run("read_whole_events", list_, payment, after, MOST_EVENTS, MOST_BYTES)
    return EventsPart(int(revision), last.decode(), rows, objects)
