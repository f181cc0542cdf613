"""Long work in short steps: each kind of job has one function that does its next step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import structlog

from ledger import Ledger
from ledger.keys import Lane
from ledger.leases import Lease
from schemas.errors import RelayError

log = structlog.get_logger()

Step = Callable[[str, float, int], Awaitable[float | None]]
"""Does a job's next step at ``now`` (UNIX seconds) in a cell; returns the seconds until the step after it, None at the
end."""

RETRY_AFTER_ERROR = 10.0
"""Seconds until a failed step is repeated."""


class JobRunner:
    """The actor behind the lanes ``job/…``."""

    def __init__(self, ledger: Ledger, steps: Mapping[Lane, Step]) -> None:
        self._ledger = ledger
        self._steps = {str(lane): step for lane, step in steps.items()}

    async def work(self, lane_name: str) -> None:
        """Do one step of a job that is due."""
        lane = Lane.parse(lane_name)
        claimed = await self._ledger.jobs.claim(lane)
        for lease in claimed.leases:
            self._ledger.leases.hold([lease])
            try:
                await self._ledger.jobs.settle(lease, next_in=await self._step(lease, claimed.now))
            finally:
                self._ledger.leases.drop([lease])

    async def _step(self, lease: Lease, now: float) -> float | None:
        try:
            return await self._steps[str(lease.lane)](lease.member, now, lease.lane.cell)
        except RelayError as error:
            log.warning(
                "job_stalled", lane=str(lease.lane), job=lease.member, error=str(error), next_in=RETRY_AFTER_ERROR
            )
            return RETRY_AFTER_ERROR
