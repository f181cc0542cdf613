"""How much is to be done, and how late it is."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.rows import paired
from ledger.store import Store


@dataclass(frozen=True, slots=True)
class Stats:
    """Looks and deliveries that wait; how long the oldest due one has waited, in seconds, None where none is due.

    `refused` counts webhooks that were turned away, by `merchant:status`. `spooled` notifications wait in
    the spools of as many `receivers` as have reported within the last minute.
    """

    looks_due: int
    oldest_look: float | None
    pending: int
    dead: int
    held: int
    oldest_delivery: float | None
    refused: dict[str, int]
    spooled: int
    receivers: int


async def stats(store: Store) -> Stats:
    """The numbers now. Raises `LedgerUnavailable`."""
    now, looks, oldest_look, pending, dead, held, oldest_delivery, refused, *spools = await store.run("read_stats")
    return Stats(
        looks_due=looks,
        oldest_look=_age(now, oldest_look),
        pending=pending,
        dead=dead,
        held=held,
        oldest_delivery=_age(now, oldest_delivery),
        refused={reason: int(count) for reason, count in paired(refused).items()},
        spooled=spools[0],
        receivers=spools[1],
    )


def _age(now: bytes, then: bytes) -> float | None:
    return max(0.0, (int(now) - int(then)) / 1000) if then else None
