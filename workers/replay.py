"""Replays: a worker queues deliveries as fast as the replay's rate allows; the endpoints' replay lanes send them.

Events that have left the ledger are put back before the replay comes to them; while history is away it waits.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from history import History
from history.selection import Recipient, Selected, Window
from ledger import Ledger
from ledger.replays import MOST_EVENTS, Stretch

log = structlog.get_logger()


class Replayer:
    """Does the steps of the lane ``job/replay``."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self._ledger = ledger
        self._history = history

    async def step(self, replay: str, now: float) -> float | None:
        """Queue some more deliveries of a replay; return the seconds until the next step, None at the end.

        Raises `HistoryUnavailable`.
        """
        next_in = await self._ledger.replays.step(replay, now, self._put_back)
        if next_in is None:
            log.info("replay_queued", replay=replay)
        return next_in

    async def _put_back(self, stretch: Stretch) -> int:
        """Put back what has left of the next events of a replay; until when (ms) they all are in the ledger."""
        which, first = stretch.selection, stretch.after + 1
        recipients = [Recipient(*one) for one in await self._ledger.replays.recipients(which)]
        window = Window(first / 1000, stretch.until / 1000, which.only, which.include_silent)
        step = await self._history.selection.step(recipients, window, None, MOST_EVENTS)
        await self._fetch(step.selected)
        # The ledger's walk goes by the millisecond, so each has to be here whole.
        while step.after is not None and step.after[0] <= first:
            step = await self._history.selection.step(recipients, window, step.after, MOST_EVENTS)
            await self._fetch(step.selected)
        return stretch.until if step.after is None else step.after[0]

    async def _fetch(self, selected: Sequence[Selected]) -> None:
        cold, whole = self._ledger.cold, self._history.whole_payments
        await cold.fetch(whole, list(dict.fromkeys((row.merchant, row.imp_uid) for row in selected if row.imp_uid)))
        for event in dict.fromkeys(row.event for row in selected if not row.imp_uid):
            await cold.fetch_event(whole, event)
