"""The events of a payment, or of a type, with all that belongs to them. They are read in parts, so that a long history
keeps no other caller of Redis waiting and need not fit into memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.store import Store

MOST_EVENTS = 200
"""Most events of one call."""
MOST_BYTES = 1_048_576
"""About how many bytes one call reads, with deliveries, attempts and i'mport's objects; one event may have more."""


@dataclass(frozen=True, slots=True)
class EventsPart:
    """Some events as read_whole_events.lua returns them, the `objects` that they show, the `revision` at which they
    were read, and the place behind which the `following` events are, "" if there are none."""

    revision: int
    following: str
    rows: Sequence[Any]
    objects: Sequence[bytes]


async def events_of_payments(store: Store, payments: Sequence[str]) -> AsyncIterator[list[EventsPart]]:
    """All events of some payments (`keys.payment`), each payment's in order. One round trip reads a part of each."""
    after = dict.fromkeys(payments, "0")
    while after:
        wanted = [(payment, "", place) for payment, place in after.items()]
        parts = await _read(store, wanted)
        yield parts
        after = {payment: part.following for payment, part in zip(after, parts, strict=True) if part.following}


async def events_of_type(store: Store, type_: str, after: str) -> EventsPart:
    """Events of a type that belong to no payment, behind a place ("0" is before the first)."""
    (part,) = await _read(store, [("", type_, after)])
    return part


async def _read(store: Store, wanted: Sequence[tuple[str, str, str]]) -> list[EventsPart]:
    found = await store.run_all("read_whole_events", [[*one, MOST_EVENTS, MOST_BYTES] for one in wanted])
    return [
        EventsPart(int(revision), following.decode(), rows, objects) for revision, following, rows, objects in found
    ]
