"""The next step of a replay: a worker queues what its rate allows, the endpoints' replay lanes send it."""

from __future__ import annotations

import structlog

from ledger import Ledger

log = structlog.get_logger()


class Replayer:
    """The step that `workers.jobs.JobRunner` takes for the lane of replays."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def step(self, replay: str, now: float) -> float | None:
        """Queue some more deliveries of a replay; returns the seconds until the next step, None at the end."""
        next_in = await self._ledger.replays.step(replay, now)
        if next_in is None:
            log.info("replay_walked", replay=replay)
        return next_in
