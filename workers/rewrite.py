"""The job that writes what the ledger holds to history again, after history was lost."""

from __future__ import annotations

import structlog

from history import History
from ledger import Ledger

log = structlog.get_logger()

PAUSE = 0.05
"""Seconds between two steps, so that live work is recorded in between."""


class Rewriter:
    """The one job of the lane ``job/rewrite``."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self._ledger = ledger
        self._history = history

    async def step(self, _job: str, _now: float) -> float | None:
        """Write a bounded part; return the seconds until the next step, None after the last."""
        if await self._ledger.rewriting.step():
            return PAUSE
        await self._ask_again()
        log.info("history_written_again")
        return None

    async def _ask_again(self) -> None:
        """Accept notifications once more that history, an old copy, has as pending, and that were settled since: what
        became of them is lost. A notification whose outcome is only not recorded yet costs a look."""
        asked = 0
        async for row in self._history.restore.notifications():
            asked += await self._ledger.restoring.notification(row)
        if asked:
            log.info("notifications_accepted_again", notifications=asked)
