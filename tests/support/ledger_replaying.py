"""Short ways of doing to a replay what workers do."""

from __future__ import annotations

import asyncio
import time

from history import History
from ledger import Ledger
from ledger.jobs import REPLAY
from ledger.keys import Lane
from ledger.replays import Replay
from schemas.endpoints.replay_selection import Selection
from tests.support.histories import record_all
from tests.support.ledger_driver import Driver, paid
from workers.replay import Replayer

FAST = 10_000.0


class ReplayDriver:
    """A ledger's replays with a history that always has all that the ledger has changed."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self._ledger = ledger
        self.history = history
        self._replayer = Replayer(ledger, history)
        self._recording = asyncio.Lock()

    async def _record(self) -> None:
        async with self._recording:
            await record_all(self._ledger, self.history)

    async def count(self, selection: Selection) -> int:
        """How many deliveries a replay would queue now."""
        await self._record()
        now = await self._ledger.now()
        until = now if selection.until is None else min(selection.until, now)
        return await self.history.replayable.count(
            await self._ledger.endpoints.recipients_in(0, selection), selection, until
        )

    async def create(self, selection: Selection, rate: float) -> Replay:
        """Begin a replay."""
        return await self._ledger.replays.create(selection, rate, {0: await self.count(selection)})

    async def step(self, replay_id: str, now: float) -> float | None:
        """Do a step of a replay, as a worker does."""
        await self._record()
        return await self._replayer.step(replay_id, now)


async def walk(replays: ReplayDriver, replay: Replay) -> None:
    """Do the steps of a replay without its pauses."""
    while await replays.step(replay.id, time.time() + 3600) is not None:
        pass


async def drop_job(ledger: Ledger) -> None:
    """Take the job out of its lane, as a worker does at the end."""
    for lease in (await ledger.jobs.claim(REPLAY, 100)).leases:
        await ledger.jobs.settle(lease, next_in=None)


async def events(driver: Driver, count: int) -> None:
    """So many payments, each with one event."""
    for number in range(count):
        await driver.look(paid(f"imp_{number}"))


async def deliver_all(driver: Driver, lane: Lane) -> int:
    """Deliver what a lane has, wave after wave."""
    done = 0
    while taken := await driver.take(lane):
        for one in taken:
            await driver.settle(one)
        done += len(taken)
    return done


async def state(driver: Driver, delivery: str) -> str:
    """The state of a delivery as operators see it."""
    return (await driver.ledger.deliveries.get(delivery)).state


async def counts(driver: Driver, replay: Replay) -> tuple[str, int, int, int, int]:
    """Where a replay stands."""
    now = await driver.ledger.replays.get(replay.id)
    return now.state, now.matched, now.queued, now.delivered, now.failed
