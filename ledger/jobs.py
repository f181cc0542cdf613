"""Long work in steps: reconciliations, replays, retention. Steps are leased, so a killed worker costs one step."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.cells import Cells
from ledger.keys import Lane
from ledger.leases import LEASE_MS, Lease

RECONCILE = Lane("job", "reconcile")
REPLAY = Lane("job", "replay")
RETENTION = Lane("job", "tidy")
HISTORY = Lane("job", "history")
UNANSWERED = Lane("job", "unanswered")
ERASE_AGAIN = Lane("job", "erase_again")
REWRITE = Lane("job", "rewrite_history")
REWRITE_JOB = "rewrite_history"
"""The one job of that lane."""
FIRST_PART = "registry"
"""The part that it begins with (`ledger.rewriting`)."""


def in_cell(lane: Lane, cell: int) -> Lane:
    """The lane of the same name in another cell."""
    return lane._replace(cell=cell)


@dataclass(frozen=True, slots=True)
class ClaimedJobs:
    """Jobs due for a step; ``now`` is Redis' time in UNIX seconds. A lease's member is the job's id."""

    now: float
    leases: tuple[Lease, ...]


class Jobs:
    """Schedule, claim and settle steps; the worker decides what a job does in a step."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def schedule(self, lane: Lane, job: str, *, due_in: float = 0, if_new: bool = False) -> None:
        """Make a job due in ``due_in`` seconds; with ``if_new`` only if it is neither due nor under way."""
        args = (str(lane), job, round(due_in * 1000), int(if_new))
        await self._cells[lane.cell].run_and_kick("schedule_job", *args, durable=True)

    async def claim(self, lane: Lane, limit: int = 1) -> ClaimedJobs:
        """Lease up to ``limit`` due jobs of a lane. Raises `LedgerUnavailable`."""
        now, token, *ids = await self._cells[lane.cell].run_and_kick("claim_jobs", str(lane), limit, LEASE_MS)
        return ClaimedJobs(int(now) / 1000, tuple(Lease(lane, job.decode(), int(token)) for job in ids))

    async def settle(self, lease: Lease, *, next_in: float | None) -> None:
        """End a step; the next one is due in ``next_in`` seconds, or never. A lease that was lost changes nothing."""
        due = "" if next_in is None else round(next_in * 1000)
        store = self._cells[lease.lane.cell]
        await store.run_and_kick("settle_job", str(lease.lane), lease.member, lease.token, due)
