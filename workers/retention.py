"""The periodic job: remove settled payments older than RELAY_RETENTION, and schedule automatic reconciliations."""

from __future__ import annotations

import structlog

from ledger import Ledger
from ledger.jobs import RETENTION
from runtime.settings import Settings
from workers.reconcile import Reconciler

log = structlog.get_logger()

LONGEST_INTERVAL = 60.0
SHORTEST_INTERVAL = 1.0
"""Seconds between two runs while nothing is left to remove."""
RUN_AGAIN_IN = 0.1
"""Seconds between two runs while more rows are left."""
JOB = "retention"
REJECTED_AFTER = 86400.0
"""Seconds for which a rejected notification is stored, as unverified sources can send any number of them."""


class RetentionJob:
    """The one job of the lane ``job/tidy``."""

    def __init__(self, settings: Settings, ledger: Ledger, reconciler: Reconciler) -> None:
        self._settings = settings
        self._ledger = ledger
        self._reconciler = reconciler

    async def step(self, _job: str, now: float) -> float:
        """Remove a bounded number of old rows; return the seconds until the next step."""
        await self._reconciler.schedule_all()
        removed = await self._ledger.retention.tidy(
            older_than=now - self._settings.retention,
            rejected_before=now - min(REJECTED_AFTER, self._settings.retention),
        )
        if removed:
            log.info("retention_removed", removed=removed)
        return RUN_AGAIN_IN if removed else self._interval()

    def _interval(self) -> float:
        """Seconds: a minute, or less if retention or reconciliation is configured to be quicker."""
        settings = self._settings
        return max(
            SHORTEST_INTERVAL,
            min(LONGEST_INTERVAL, settings.retention / 4, settings.reconcile_every or LONGEST_INTERVAL),
        )


async def schedule_retention(ledger: Ledger) -> None:
    """Schedule the job's first step; each step schedules the next."""
    await ledger.jobs.schedule(RETENTION, JOB, if_new=True)
