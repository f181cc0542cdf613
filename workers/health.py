"""How endpoints are doing, kept in the ledger and decided in `schemas.health`."""

from __future__ import annotations

import structlog

from ledger import Ledger
from schemas.delivery import Answer, Disable, Verdict
from schemas.endpoint import Endpoint
from schemas.errors import LedgerUnavailable
from schemas.health import after_attempt, gone
from schemas.settings import Settings

log = structlog.get_logger()


class HealthKeeper:
    """Notes each attempt that says something new about its endpoint."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger

    async def note(self, endpoint: Endpoint, answer: Answer, verdict: Verdict) -> None:
        """Take an attempt's outcome into the endpoint's health."""
        try:
            while not await self._replace(endpoint, answer, verdict):
                continue
        except LedgerUnavailable as error:
            log.warning("health_not_noted", endpoint=endpoint.id, error=str(error))

    async def _replace(self, endpoint: Endpoint, answer: Answer, verdict: Verdict) -> bool:
        known = await self._ledger.delivering.health(endpoint.id)
        now = await self._ledger.store.now()
        after = after_attempt(
            known,
            answer.ok,
            now,
            first_wait=self._settings.retry_schedule[0],
            disable_after=self._settings.disable_after,
        )
        if isinstance(verdict, Disable):
            after = gone(after)
        return known == after or await self._ledger.delivering.note_health(endpoint.id, known, after)
