"""The periodic job: remove settled payments older than RELAY_RETENTION, and schedule automatic reconciliations."""

from __future__ import annotations

import structlog

from ledger import Ledger
from ledger.jobs import TIDY
from runtime.settings import Settings
from workers.reconcile import Reconciler

log = structlog.get_logger()

SELDOM = 60.0
OFTEN = 1.0
JOB = "retention"
REJECTED_AFTER = 86400.0
"""Seconds for which a rejected notification is stored: unverified sources can send any number of them."""


class RetentionJob:
    """The one job of the lane ``job/tidy``."""

    def __init__(self, settings: Settings, ledger: Ledger, reconciler: Reconciler) -> None:
        self._settings = settings
        self._ledger = ledger
        self._reconciler = reconciler

    async def step(self, _job: str, now: float) -> float:
        """Remove a bounded number of old rows; run again soon while more are left."""
        await self._reconciler.schedule_all()
        removed = await self._ledger.retention.tidy(
            older_than=now - self._settings.retention,
            rejected_before=now - min(REJECTED_AFTER, self._settings.retention),
        )
        if removed:
            log.info("tidied", removed=removed)
        return 0.1 if removed else self._pause()

    def _pause(self) -> float:
        """Seconds: a minute, or less if retention or reconciliation is configured to be quicker."""
        settings = self._settings
        return max(OFTEN, min(SELDOM, settings.retention / 4, settings.reconcile_every or SELDOM))


async def start_tidying(ledger: Ledger) -> None:
    """Schedule the job, which then repeats itself."""
    await ledger.jobs.schedule(TIDY, JOB, if_new=True)
