"""Tidying: what is settled and older than RELAY_RETENTION leaves, and whatever should happen by itself is seen to."""

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
"""Seconds for which a rejected notification is kept: anybody can make these up."""


class RetentionJob:
    """The one job of the lane ``job/tidy``."""

    def __init__(self, settings: Settings, ledger: Ledger, reconciler: Reconciler) -> None:
        self._settings = settings
        self._ledger = ledger
        self._reconciler = reconciler

    async def step(self, _job: str, now: float) -> float:
        """Remove a bounded number of old things; soon again while there are more."""
        await self._reconciler.schedule_all()
        removed = await self._ledger.retention.tidy(
            older_than=now - self._settings.retention,
            rejected_before=now - min(REJECTED_AFTER, self._settings.retention),
        )
        if removed:
            log.info("tidied", removed=removed)
        return 0.1 if removed else self._pause()

    def _pause(self) -> float:
        """Seconds: a minute, or less where retention or reconciling is to be quicker (development, tests)."""
        settings = self._settings
        return max(OFTEN, min(SELDOM, settings.retention / 4, settings.reconcile_every or SELDOM))


async def start_tidying(ledger: Ledger) -> None:
    """See that tidying goes on, from now on."""
    await ledger.jobs.schedule(TIDY, JOB, if_new=True)
