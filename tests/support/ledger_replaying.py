"""Short ways of doing to a replay what workers do."""

from __future__ import annotations

from ledger import Ledger
from ledger.jobs import REPLAY
from ledger.keys import Lane
from ledger.replays import Replay
from tests.support.ledger_driver import Driver, paid

FAST = 10_000.0


async def walk(ledger: Ledger, replay: Replay) -> None:
    """Do the steps of a replay, as a worker does, without its pauses."""
    while True:
        now = await ledger.now()
        if await ledger.replays.step(replay.id, now + 3600) is None:
            return


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
