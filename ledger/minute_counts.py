"""What happened in each of the last minutes: counts that the scripts keep for two days."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.store import Store

_NAMES = ("accepted", "refused", "events", "delivered", "failed")


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute, which began at `at` (UNIX seconds): webhooks accepted and refused, events recorded, attempts that
    delivered and that failed."""

    at: int
    accepted: int
    refused: int
    events: int
    delivered: int
    failed: int


async def minutes(store: Store, count: int) -> tuple[Minute, ...]:
    """The last `count` minutes, the oldest first; the last is the one that is under way. Raises `LedgerUnavailable`."""
    last, *counts = await store.run("read_minutes", count, len(_NAMES), *_NAMES)
    rows = zip(*(iter(counts),) * len(_NAMES), strict=True)
    return tuple(Minute((last - count + 1 + place) * 60, *row) for place, row in enumerate(rows))
