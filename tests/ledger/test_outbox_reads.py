"""Reading the outbox: all that waits, in parts, and none that keeps Redis from everything else for long."""

from __future__ import annotations

from itertools import chain

from ledger import Ledger
from schemas.outbox.codec import pack
from schemas.outbox.entries import Merchant


def _entries(item: int, count: int) -> list[bytes]:
    return [pack(Merchant(f"shop_{item}_{n}", created_at=1)) for n in range(count)]


async def test_large_items_come_in_several_parts(ledger: Ledger) -> None:
    """A batch of webhooks is one item of hundreds of entries; the next part begins where the last has ended."""
    appended = [_entries(item, 500) for item in range(50)]
    for entries in appended:
        await ledger.outbox.append(entries)
    place, parts = "0-0", []
    while items := (await ledger.outbox.read({0: place}, 500))[0]:
        parts.append(items)
        place = items[-1].place
    assert len(parts) > 1
    assert [[entry for entry, _ in item.entries] for item in chain(*parts)] == appended


async def test_small_items_come_as_many_as_asked_for(ledger: Ledger) -> None:
    """However many commands that takes; the item at the place itself is not among them."""
    places = [await ledger.outbox.append(_entries(item, 1)) for item in range(130)]
    items = (await ledger.outbox.read({0: places[0]}, 100))[0]
    assert [item.place for item in items] == places[1:101]
