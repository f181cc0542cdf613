"""Leases: the right to work on something for a while. A worker that dies stops renewing, and its leases end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass

from ledger.cells import Cells, by
from ledger.keys import Lane
from ledger.rows import flat
from ledger.scripting import Argument, raised

LEASE_MS = 10_000
"""How long a lease lasts: the work of a killed worker is due again after this."""
RENEW_EVERY = 3.0
"""Seconds between two renewals of a worker's leases: three in the life of a lease."""
OVERDUE = 2 * RENEW_EVERY
"""Seconds without a renewal after which leases may have ended by the time of the next one."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one member of a lane until it ends; the fencing token shuts out earlier holders."""

    lane: Lane
    member: str
    token: int


class Leases:
    """The leases this process holds; they are renewed together while it works."""

    def __init__(self, cells: Cells, clock: Callable[[], float] = time.monotonic) -> None:
        self._cells = cells
        self._clock = clock
        self._held: set[Lease] = set()
        self._renewed_at = clock()

    def hold(self, leases: Iterable[Lease]) -> None:
        """Renew these from now on."""
        self._held.update(leases)

    def drop(self, leases: Iterable[Lease]) -> None:
        """Stop renewing these: they are settled, or another worker has them."""
        self._held.difference_update(leases)

    async def renew(self) -> None:
        """Lengthen every lease held. Raises `LedgerUnavailable`."""
        now = self._clock()
        await self._in_cells("renew_leases", self._held, LEASE_MS)
        self._renewed_at = now

    async def keep(self, lane: Lane) -> None:
        """Lengthen those held of a lane that is about to be claimed, if that is overdue: this process stood still, or
        Redis was away. A claim takes up whatever has ended, and the work would be done twice in one process.

        Raises `LedgerUnavailable`.
        """
        if self._clock() - self._renewed_at > OVERDUE:
            mine = {lease for lease in self._held if (lease.lane.name, lease.lane.cell) == (lane.name, lane.cell)}
            await self._in_cells("renew_leases", mine, LEASE_MS)

    async def release(self) -> None:
        """End every lease held; the work is untouched and due at once for other workers. Raises `LedgerUnavailable`."""
        held, self._held = self._held, set()
        await self._in_cells("release_leases", held)

    async def _in_cells(self, name: str, leases: Set[Lease], *args: Argument) -> None:
        by_cell = by(leases, lambda lease: self._cells[lease.lane.cell])
        if by_cell:
            calls = {store: [*args, *_rows(some)] for store, some in by_cell.items()}
            raised(list((await self._cells.some(name, calls, kick=True)).values()))


def _rows(leases: Sequence[Lease]) -> list[Argument]:
    return [len(leases), *flat((str(lease.lane), lease.member, lease.token) for lease in leases)]
