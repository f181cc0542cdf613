"""The job that tells history again what the ledger holds, after history was lost."""

from __future__ import annotations

import structlog

from ledger import Ledger

log = structlog.get_logger()

PAUSE = 0.05
"""Seconds between two steps, so that live work is recorded in between."""


class Reteller:
    """The one job of the lane ``job/retell``."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def step(self, _job: str, _now: float) -> float | None:
        """Tell a bounded part; return the seconds until the next step, None after the last."""
        if await self._ledger.retelling.step():
            return PAUSE
        log.info("history_told_again")
        return None
