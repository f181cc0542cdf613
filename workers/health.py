"""How endpoints are doing, kept in the ledger and decided in `schemas.endpoints.health`; operators hear of it."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from ledger import Ledger
from ledger.group_commit import GroupCommit
from runtime.settings import Settings
from schemas.endpoints.delivery import AttemptResult, Delivered, Disable, Verdict
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.events import disabled_because, endpoint_event
from schemas.endpoints.health import DISABLED, EndpointHealth, after_attempt, gone, news

log = structlog.get_logger()


Noted = tuple[Endpoint, int, AttemptResult, Verdict]
"""An attempt: the endpoint, the fencing token it was claimed with, what came of it."""


class HealthTracker:
    """Notes each attempt that says something new about its endpoint.

    What fails usually fails together: a hanging endpoint times out with all it was sent. So the attempts at one
    endpoint are taken in together; each by itself would race the others for its row, and keep Redis from everybody.
    """

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._settings = settings
        self._ledger = ledger
        self._batches: dict[str, GroupCommit[Noted, None]] = {}

    async def note(self, endpoint: Endpoint, token: int, answer: AttemptResult, verdict: Verdict) -> None:
        """Take an attempt's outcome into the endpoint's health: with it goes, in one step, what operators hear of it
        and that the endpoint is disabled, where it is. An attempt that was claimed, with `token`, before the endpoint
        started afresh says nothing about it any more. Raises `LedgerUnavailable`.
        """
        if endpoint.id not in self._batches:
            self._batches[endpoint.id] = GroupCommit(self._note_all)
        await self._batches[endpoint.id].add((endpoint, token, answer, verdict))

    async def _note_all(self, attempts: Sequence[Noted]) -> Sequence[None]:
        left = attempts
        while left:
            left = left[await self._take_in(left) :]
        return [None] * len(attempts)

    async def _take_in(self, attempts: Sequence[Noted]) -> int:
        """Write what these attempts change, up to the first that is news; how many that were. None (0) were where
        somebody else was quicker."""
        endpoint = attempts[0][0]
        known, now, afresh = await self._ledger.delivery_lane.health(endpoint.id)
        before, after, taken, kind = known, known, 0, None
        for _, token, answer, verdict in attempts:
            taken += 1
            if token < afresh:
                continue
            before, after = after, self._after(after, answer, verdict, now)
            kind = news(before, after)
            if kind is not None:
                break
        if known == after:
            return taken
        reason = _reason(before, after, verdict)
        event = None if kind is None else endpoint_event(endpoint, kind, before, after, reason, now)
        disabled = reason if after.stage == DISABLED else None
        if not await self._ledger.delivery_lane.note_health(endpoint.id, known, after, event, disabled):
            return 0
        if kind is not None:
            log.warning(kind.replace(".", "_"), endpoint=endpoint.id, merchant=endpoint.merchant, reason=reason)
        return taken

    def _after(self, health: EndpointHealth, answer: AttemptResult, verdict: Verdict, now: float) -> EndpointHealth:
        wait, disable_after = self._settings.retry_schedule[0], self._settings.disable_after
        after = after_attempt(health, answer.ok, now, first_wait=wait, disable_after=disable_after)
        return gone(after) if isinstance(verdict, Disable) else after


def _reason(before: EndpointHealth, after: EndpointHealth, verdict: Verdict) -> str:
    match verdict:
        case Delivered():
            return (
                f"delivered again, after {before.failures} failures in a row" if before.failures else "delivered again"
            )
        case Disable(reason):
            return reason
        case other:
            return disabled_because(after, other.reason)
