"""How much work waits, and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ledger.cells import Cells
from ledger.rows import paired
from ledger.scripting import Call, raised
from schemas.reasons import Reason, load
from schemas.reasons.reason import of_row


@dataclass(frozen=True, slots=True)
class RefusedBodies:
    """Webhooks of a merchant (`-`: of unknown merchants) that were answered with 400 for one reason (`code` is a
    `BodyReason`): how many, and when the last one was counted (UNIX seconds)."""

    merchant: str
    code: str
    count: int
    last_at: float

    @property
    def reason(self) -> Reason:
        """The likely cause."""
        return of_row({"code": self.code})


@dataclass(frozen=True, slots=True)
class OldCopy:
    """Redis came back with a copy that lacks what happened in [since, until), UNIX seconds."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Refreshes and deliveries that wait; ages are in seconds, None if nothing of the kind waits.

    `oldest_look` and `oldest_delivery`: for how long work that may be claimed has waited for a worker. Work in paused
    lanes is counted apart: `deliveries_paused`, `looks_paused`, and how long the oldest of each has been due. A lane is
    paused if its endpoint has an open breaker, asked for a pause or is at its limits, or if i'mport fails for its
    merchant.

    `refused` counts refused webhooks, by `merchant:status`. `receivers` have reported within the last minute, and
    `spooled` notifications wait in their spools. `spool_troubles`: why these spools store nothing, each reason once.
    `refused_bodies` has the latest first. `old_copy`: Redis came back with an old copy within the last week.
    """

    looks_due: int
    oldest_look: float | None
    looks_paused: int
    oldest_paused_look: float | None
    pending: int
    dead: int
    held: int
    oldest_delivery: float | None
    deliveries_paused: int
    oldest_paused_delivery: float | None
    refused: dict[str, int]
    spooled: int
    receivers: int
    spool_troubles: tuple[Reason, ...]
    refused_bodies: tuple[RefusedBodies, ...]
    old_copy: OldCopy | None = None


async def stats(cells: Cells) -> Stats:
    """The numbers now, of all cells. Raises `LedgerUnavailable`."""
    calls = [Call(store.prefix, "read_stats", ()) for store in (cells.shared, *cells)]
    shared, *parts = map(_part, raised(await cells.scripting.run(calls)))
    copies = [part.old_copy for part in parts if part.old_copy is not None]
    return replace(
        shared,
        looks_due=sum(part.looks_due for part in parts),
        oldest_look=_oldest(part.oldest_look for part in parts),
        looks_paused=sum(part.looks_paused for part in parts),
        oldest_paused_look=_oldest(part.oldest_paused_look for part in parts),
        pending=sum(part.pending for part in parts),
        dead=sum(part.dead for part in parts),
        held=sum(part.held for part in parts),
        oldest_delivery=_oldest(part.oldest_delivery for part in parts),
        deliveries_paused=sum(part.deliveries_paused for part in parts),
        oldest_paused_delivery=_oldest(part.oldest_paused_delivery for part in parts),
        old_copy=OldCopy(min(one.since for one in copies), max(one.until for one in copies)) if copies else None,
    )


def _oldest(ages: Iterable[float | None]) -> float | None:
    return max((age for age in ages if age is not None), default=None)


def _part(answer: list[Any]) -> Stats:
    """The numbers of one cell, or of the part that all share."""
    now, refreshes, deliveries, pending, dead, held, refused, spooled, receivers, troubles, bodies, old = answer
    looks_due, look_since, looks_paused, look_paused_since = refreshes
    _, send_since, sends_paused, send_paused_since = deliveries
    return Stats(
        looks_due=looks_due,
        oldest_look=_age(now, look_since),
        looks_paused=looks_paused,
        oldest_paused_look=_age(now, look_paused_since),
        pending=pending,
        dead=dead,
        held=held,
        oldest_delivery=_age(now, send_since),
        deliveries_paused=sends_paused,
        oldest_paused_delivery=_age(now, send_paused_since),
        refused={reason: int(count) for reason, count in paired(refused).items()},
        spooled=spooled,
        receivers=receivers,
        spool_troubles=tuple(dict.fromkeys(map(load, troubles))),
        refused_bodies=tuple(_bodies(bodies)),
        old_copy=_old_copy(old),
    )


def _bodies(flat: list[bytes]) -> Iterator[RefusedBodies]:
    for name, count, last in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
        merchant, _, code = name.decode().rpartition(":")
        yield RefusedBodies(merchant, code, int(count), int(last) / 1000)


def _old_copy(stored: bytes) -> OldCopy | None:
    if not stored:
        return None
    since, until = (int(at) / 1000 for at in stored.split(b":"))
    return OldCopy(since, until)


def _age(now: bytes, then: bytes) -> float | None:
    return max(0.0, (int(now) - int(then)) / 1000) if then else None
