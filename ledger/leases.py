"""Leases: the right to work on something for a while. A worker that dies stops renewing, and its leases end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from ledger.cells import Cells, by
from ledger.keys import Lane
from ledger.rows import flat
from ledger.scripting import Argument, raised

LEASE_MS = 10_000
"""How long a lease lasts: the work of a killed worker is due again after this."""
RENEW_EVERY = 3.0
"""Seconds between two renewals of a worker's leases: three in the life of a lease."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one member of a lane until it ends; the fencing token shuts out earlier holders."""

    lane: Lane
    member: str
    token: int


class Leases:
    """The leases this process holds; they are renewed together while it works."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._held: set[Lease] = set()

    def hold(self, leases: Iterable[Lease]) -> None:
        """Renew these from now on."""
        self._held.update(leases)

    def drop(self, leases: Iterable[Lease]) -> None:
        """Stop renewing these: they are settled, or another worker has them."""
        self._held.difference_update(leases)

    async def renew(self) -> None:
        """Lengthen every lease held. Raises `LedgerUnavailable`."""
        await self._in_cells("renew_leases", self._held, LEASE_MS)

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
