"""Endpoints' health: decided in `schemas.endpoints.health`, stored in the ledger, announced as events."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakValueDictionary

import structlog

from ledger import Ledger
from ledger.group_commit import GroupCommit
from runtime.settings import Settings
from schemas.endpoints.delivery import AttemptResult, Delivered, Disable, Verdict
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.events import endpoint_event, failing_because
from schemas.endpoints.health import DISABLED, EndpointHealth, after_attempt, announcement, gone
from schemas.reasons import Reason, english
from workers.metrics import WorkerMetrics

log = structlog.get_logger()

Judged = tuple[Endpoint, int, AttemptResult, Verdict]
"""An attempt: the endpoint, the fencing token it was claimed with, its result and verdict."""


class HealthTracker:
    """Records the attempts that change their endpoint's health.

    Failures come together, as all callbacks to a hanging endpoint time out at once. So an endpoint's attempts are
    recorded in batches; one by one they would race for the endpoint's row and load Redis.
    """

    def __init__(self, settings: Settings, ledger: Ledger, metrics: WorkerMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._ledger = ledger
        # A batch is dropped when the last attempt that waits for it is recorded.
        self._batches: WeakValueDictionary[str, GroupCommit[Judged, None]] = WeakValueDictionary()

    async def record(self, endpoint: Endpoint, token: int, answer: AttemptResult, verdict: Verdict) -> None:
        """Record an attempt in the endpoint's health. The event that announces a change, and the disabling of the
        endpoint, are written in the same step. An attempt whose `token` is older than the endpoint's fresh start does
        not count any more. Raises `LedgerUnavailable`.
        """
        batch = self._batches.get(endpoint.id)
        if batch is None:
            batch = self._batches[endpoint.id] = GroupCommit(self._record_all)
        await batch.add((endpoint, token, answer, verdict))

    async def _record_all(self, attempts: Sequence[Judged]) -> Sequence[None]:
        left = attempts
        while left:
            left = left[await self._record_some(left) :]
        return [None] * len(attempts)

    async def _record_some(self, attempts: Sequence[Judged]) -> int:
        """Write what these attempts change, up to the first change that is announced; return how many attempts were
        written, 0 if another process wrote in between."""
        endpoint = attempts[0][0]
        known, now, afresh = await self._ledger.delivery_lane.health(endpoint.id)
        before, after, taken, kind = known, known, 0, None
        for _, token, answer, verdict in attempts:
            taken += 1
            if token < afresh:
                continue
            before, after = after, self._after(after, answer, verdict, now)
            kind = announcement(before, after)
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
            self._metrics.recorded([kind])
            log.warning(
                kind.replace(".", "_"), endpoint=endpoint.id, merchant=endpoint.merchant, reason=english(reason)
            )
        return taken

    def _after(self, health: EndpointHealth, answer: AttemptResult, verdict: Verdict, now: float) -> EndpointHealth:
        wait, disable_after = self._settings.retry_schedule[0], self._settings.disable_after
        after = after_attempt(health, answer.ok, now, first_wait=wait, disable_after=disable_after)
        return gone(after) if isinstance(verdict, Disable) else after


def _reason(before: EndpointHealth, after: EndpointHealth, verdict: Verdict) -> Reason:
    match verdict:
        case Delivered():
            return Reason.of("delivered_again", failures=before.failures or None)
        case Disable(reason):
            return reason
        case other:
            return failing_because(after, other.reason)
