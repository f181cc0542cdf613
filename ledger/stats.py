"""How much is to be done, and how late it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ledger.rows import paired
from ledger.store import Store


@dataclass(frozen=True, slots=True)
class RefusedBodies:
    """Webhooks of a merchant (`-`: none that was known) that were answered with 400 for a reason (a `BodyReason`): how
    many, and when the last one was counted (UNIX seconds)."""

    merchant: str
    reason: str
    count: int
    last_at: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Looks and deliveries that wait; how long the oldest due one has waited, in seconds, None where none is due.

    `refused` counts webhooks that were turned away, by `merchant:status`. `spooled` notifications wait in
    the spools of as many `receivers` as have reported within the last minute. `refused_bodies` has the latest first.
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
    refused_bodies: tuple[RefusedBodies, ...]


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
        refused_bodies=tuple(_bodies(spools[2])),
    )


def _bodies(flat: list[bytes]) -> Iterator[RefusedBodies]:
    for name, count, last in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        merchant, _, reason = name.decode().rpartition(":")
        yield RefusedBodies(merchant, reason, int(count), int(last) / 1000)


def _age(now: bytes, then: bytes) -> float | None:
    return max(0.0, (int(now) - int(then)) / 1000) if then else None
