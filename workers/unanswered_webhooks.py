"""Webhooks that are pending in history but not in the ledger: they are taken up again.

A Redis that came back with an old copy lacks the last webhooks that it had acknowledged. A history that came back with
an old copy lacks their outcomes. Such a webhook would stay pending for ever, so it is accepted once more, or rejected
if its merchant is gone. If its payment has left the ledger, it is put back from history; then it is looked up, and only
facts that were never recorded are new. A webhook that was in fact answered keeps its outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

import structlog

from history import History
from history.pages import Place
from ledger import Ledger
from ledger.jobs import UNANSWERED
from schemas.outbox.entries import Notification

log = structlog.get_logger()

STALE = 600.0
"""Seconds after which a pending webhook is looked for in the ledger, which has it if it only waits for i'mport."""
ROUND_EVERY = 600.0
"""Seconds between two rounds over all pending webhooks."""
STEP_EVERY = 1.0
"""Seconds between two steps of a round."""
BEHIND = 60.0
"""Seconds by which history may be behind. If it is further behind, too many outcomes are still on their way to it."""
AGAIN_IN = 60.0
"""Seconds until the next try if history is further behind, or is being written again."""
JOB = "unanswered"
_HINT = "history had them as pending, and the ledger did not have them: Redis or history came back with an old copy"


async def schedule_unanswered(ledger: Ledger) -> None:
    """Schedule the first step; each step schedules the next."""
    await ledger.jobs.schedule(UNANSWERED, JOB, if_new=True)


class UnansweredJob:
    """The one job of the lane ``job/unanswered``, in the first cell."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self._ledger = ledger
        self._history = history
        self._place: Place | None = None

    async def step(self, _job: str, now: float, _cell: int = 0) -> float:
        """Take up some webhooks, the oldest first; return the seconds until the next step. Raises `LedgerUnavailable`
        and `HistoryUnavailable`."""
        if await self._is_behind():
            return AGAIN_IN
        found, place = await self._history.notifications.pending(now - STALE, self._place)
        compared = await self._compared_silently(found)
        await self._take_up([one for one in found if one.merchant not in compared])
        self._place = place
        return ROUND_EVERY if place is None else STEP_EVERY

    async def _is_behind(self) -> bool:
        """Whether too many outcomes are still on their way to history."""
        backlog = await self._ledger.outbox.state()
        return backlog.behind > BEHIND or await self._ledger.rewriting.is_under_way()

    async def _compared_silently(self, some: Sequence[Notification]) -> Collection[str]:
        """The merchants of these webhooks for whom an operator's silent run is comparing: the webhooks would deliver
        the events that this run records silently."""
        merchants = {one.merchant for one in some}
        return {name for name in merchants if await self._ledger.reconciliations.silent_run(name)}

    async def _take_up(self, some: Sequence[Notification]) -> None:
        """Accept the webhooks that do not wait in the ledger."""
        names = sorted({(one.merchant, one.imp_uid) for one in some})
        waiting = await self._ledger.notifications.waiting(names)
        lost = [one for one in some if one.id not in waiting]
        await self._ledger.cold.fetch(self._history.whole_payments, [(one.merchant, one.imp_uid) for one in lost])
        if lost:
            taken_up = sum(await asyncio.gather(*map(self._ledger.restoring.notification, lost)))
            log.warning("webhooks_taken_up", taken_up=taken_up, rejected=len(lost) - taken_up, hint=_HINT)
