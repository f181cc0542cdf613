"""Replays: a worker queues deliveries as fast as the replay's rate allows; the endpoints' replay lanes send them.

Events that have left the ledger are put back before the replay comes to them; while history is away it waits.
"""

from __future__ import annotations

import structlog

from history import History
from history.replayed import Target, Wanted
from ledger import Ledger
from ledger.replays import Stretch

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
        targets = await self._ledger.replays.targets(stretch.selection)
        selection = stretch.selection
        wanted = Wanted(
            tuple(Target(*one) for one in targets),
            stretch.after,
            stretch.until,
            selection.only,
            selection.include_silent,
        )
        found = await self._history.replayed.some(wanted)
        cold = self._history.whole_payments
        await self._ledger.cold.fetch(cold, list(dict.fromkeys((row[0], row[1]) for row in found.events if row[1])))
        for _, imp_uid, event in found.events:
            if not imp_uid:
                await self._ledger.cold.fetch_event(cold, event)
        return found.reached
