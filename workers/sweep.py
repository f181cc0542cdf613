"""The sweep: whatever is due and was forgotten is told of again."""

from __future__ import annotations

import asyncio

import structlog

from ledger import Ledger
from schemas.errors import LedgerUnavailable

log = structlog.get_logger()

EVERY = 0.25


async def sweep_forever(ledger: Ledger, owner: str) -> None:
    """Kick every lane with due work that nobody was told of; of all workers, one does it at a time."""
    away = False
    while True:
        try:
            await ledger.sweep(owner)
            if away:
                log.info("ledger_back")
            away = False
        except LedgerUnavailable as error:
            if not away:
                log.warning("ledger_away", error=str(error))
            away = True
        await asyncio.sleep(EVERY)
