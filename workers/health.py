"""How endpoints are doing, kept in the ledger and decided in `schemas.health`; operators hear of it."""

from __future__ import annotations

import structlog

from ledger import Ledger
from schemas.delivery import Answer, Delivered, Disable, Verdict
from schemas.endpoint import Endpoint
from schemas.endpoint_events import disabled_because, endpoint_event
from schemas.health import DISABLED, Health, after_attempt, gone, news
from schemas.settings import Settings

log = structlog.get_logger()


class HealthKeeper:
    """Notes each attempt that says something new about its endpoint."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger

    async def note(self, endpoint: Endpoint, answer: Answer, verdict: Verdict) -> None:
        """Take an attempt's outcome into the endpoint's health: with it goes, in one step, what operators hear of it
        and that the endpoint is disabled, where it is. Raises `LedgerUnavailable`.
        """
        while not await self._replace(endpoint, answer, verdict):
            continue

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
        if known == after:
            return True
        kind, reason = news(known, after), _reason(known, after, verdict)
        event = None if kind is None else endpoint_event(endpoint, kind, known, after, reason, now)
        disabled = reason if after.stage == DISABLED else None
        replaced = await self._ledger.delivering.note_health(endpoint.id, known, after, event, disabled)
        if replaced and kind is not None:
            log.warning(kind.replace(".", "_"), endpoint=endpoint.id, merchant=endpoint.merchant, reason=reason)
        return replaced


def _reason(before: Health, after: Health, verdict: Verdict) -> str:
    match verdict:
        case Delivered():
            return (
                f"delivered again, after {before.failures} failures in a row" if before.failures else "delivered again"
            )
        case Disable(reason):
            return reason
        case other:
            return disabled_because(after, other.reason)
