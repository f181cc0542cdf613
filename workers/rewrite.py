"""The job that writes what the ledger holds to history again, after history was lost."""

from __future__ import annotations

import structlog

from ledger import Ledger

log = structlog.get_logger()

PAUSE = 0.05
"""Seconds between two steps, so that live work is recorded in between."""


class Rewriter:
    """The one job of the lane ``job/rewrite_history`` of each cell."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def step(self, _job: str, _now: float, cell: int = 0) -> float | None:
        """Write a bounded part; return the seconds until the next step, None after the last."""
        if await self._ledger.rewriting.step(cell):
            return PAUSE
        log.info("history_written_again", cell=cell)
        return None
