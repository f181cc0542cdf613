"""Leases: the right to work on something for a while. A worker that dies stops renewing, and its leases end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger.cells import Cells, by
from ledger.keys import Lane
from ledger.rows import flat
from ledger.scripting import Argument, raised
from ledger.store import Store

LEASE_MS = 10_000
"""How long a lease lasts: the work of a killed worker is due again after this."""
RENEW_EVERY = 3.0
"""Seconds between two renewals of a worker's leases: three in the life of a lease."""
RENEW_AGAIN = 0.5
"""Seconds to the next try after a failed renewal: when Redis is back, all workers must renew within `RENEW_WITHIN`,
before others take up leases that ended meanwhile."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one member of a lane until the lease ends; its fencing token shuts out earlier holders."""

    lane: Lane
    member: str
    token: int


class Leases:
    """The leases this process holds; they are renewed together while it works. ``swept`` returns the cells with lanes,
    if this process is the one that sweeps."""

    def __init__(self, cells: Cells, swept: Callable[[], Iterable[int]]) -> None:
        self._cells = cells
        self._swept = swept
        self._held: set[Lease] = set()

    def hold(self, leases: Iterable[Lease]) -> None:
        """Renew these from now on."""
        self._held.update(leases)

    def drop(self, leases: Iterable[Lease]) -> None:
        """Stop renewing these: they are settled, or another worker has them."""
        self._held.difference_update(leases)

    async def renew(self) -> None:
        """Lengthen every lease held. In the cells that this process sweeps, also record that leases can be renewed: a
        claim takes up ended leases only if their workers could have renewed them. Raises `LedgerUnavailable`."""
        leases = {self._cells[cell]: list[Lease]() for cell in self._swept()} | self._by_cell()
        await self._in_cells("renew_leases", {store: [LEASE_MS, *_rows(mine)] for store, mine in leases.items()})

    async def release(self) -> None:
        """End every lease held; the work is untouched and due at once for other workers. Raises `LedgerUnavailable`."""
        held = self._by_cell()
        self._held.clear()
        await self._in_cells("release_leases", {store: _rows(leases) for store, leases in held.items()})

    def _by_cell(self) -> dict[Store, list[Lease]]:
        return by(self._held, lambda lease: self._cells[lease.lane.cell])

    async def _in_cells(self, name: str, calls: Mapping[Store, Sequence[Argument]]) -> None:
        if calls:
            raised(list((await self._cells.some(name, calls, kick=True)).values()))


def _rows(leases: Sequence[Lease]) -> list[Argument]:
    return [len(leases), *flat((str(lease.lane), lease.member, lease.token) for lease in leases)]
