"""Replays: a worker queues deliveries as fast as the replay's rate allows; the endpoints' replay lanes send them."""

from __future__ import annotations

import structlog

from ledger import Ledger

log = structlog.get_logger()


class Replayer:
    """Does the steps of the lane ``job/replay``."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def step(self, replay: str, now: float) -> float | None:
        """Queue some more deliveries of a replay; return the seconds until the next step, None at the end."""
        next_in = await self._ledger.replays.step(replay, now)
        if next_in is None:
            log.info("replay_queued", replay=replay)
        return next_in
