"""The periodic jobs of retention: settled payments leave the ledger after RELAY_LEDGER_RETENTION, and history after
RELAY_RETENTION. The first job also schedules automatic reconciliations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf

import structlog

from history import History
from ledger import Ledger
from ledger.jobs import HISTORY, RETENTION
from runtime.settings import Settings
from schemas.outbox.whole_payment import Name
from workers.reconcile import Reconciler

log = structlog.get_logger()

LONGEST_INTERVAL = 60.0
SHORTEST_INTERVAL = 1.0
"""Seconds between two runs while nothing is left to remove."""
RUN_AGAIN_IN = 0.1
"""Seconds between two runs while more rows are left."""
JOB = "retention"


class RetentionJob:
    """The one job of the lane ``job/tidy``, in the first cell: it removes old rows from the ledger, in all cells."""

    def __init__(self, settings: Settings, ledger: Ledger, history: History, reconciler: Reconciler) -> None:
        self._settings = settings
        self._ledger = ledger
        self._history = history
        self._reconciler = reconciler
        self._keeps = min(settings.ledger_retention, settings.retention or inf)

    async def step(self, _job: str, now: float, _cell: int = 0) -> float:
        """Remove a bounded number of old rows; return the seconds until the next step. Raises `HistoryUnavailable`:
        nothing leaves the ledger while history is away."""
        await self._reconciler.schedule_all()
        names = await self._ledger.outbox.names()
        reached = await self._history.places(list(names.values()))
        places = {cell: reached[name] for cell, name in names.items()}
        removed = await self._ledger.retention.tidy(older_than=now - self._keeps, places=places)
        if removed:
            log.info("retention_removed", removed=removed)
            return RUN_AGAIN_IN
        if self._ledger.retention.waits_for_history:
            return SHORTEST_INTERVAL
        return _interval(self._keeps, self._settings.reconcile_every or LONGEST_INTERVAL)


class HistoryRetentionJob:
    """The one job of the lane ``job/history``, in the first cell: it removes old rows from history. A payment that is
    in the ledger stays: otherwise its next change would be recorded without what came before."""

    def __init__(self, settings: Settings, ledger: Ledger, history: History) -> None:
        self._retention = settings.retention
        self._ledger = ledger
        self._history = history

    async def step(self, _job: str, now: float, _cell: int = 0) -> float | None:
        """Remove a bounded number of old rows; return the seconds until the next step, or None if history keeps all.

        Raises `HistoryUnavailable`.
        """
        if not self._retention:
            return None
        more = await self._history.retention.step(now - self._retention, in_ledger=self._in_ledger)
        return RUN_AGAIN_IN if more else _interval(self._retention)

    async def _in_ledger(self, names: Sequence[Name]) -> Collection[Name]:
        return set(names) - set(await self._ledger.cold.missing(names))


def _interval(retention: float, longest: float = LONGEST_INTERVAL) -> float:
    """Seconds between two runs: a minute, or less if the retention or ``longest`` is shorter."""
    return max(SHORTEST_INTERVAL, min(LONGEST_INTERVAL, retention / 4, longest))


async def schedule_retention(ledger: Ledger) -> None:
    """Schedule the first step of each job; each step schedules the next."""
    await ledger.jobs.schedule(RETENTION, JOB, if_new=True)
    await ledger.jobs.schedule(HISTORY, JOB, if_new=True)
