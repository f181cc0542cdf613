"""What happens to history: its database, and the worker that records. But for an operator who stops the workers, none
of it may hold up webhooks or callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.chaos.house import House
from tests.support.waiting import until


def _taking_away(least: float, most: float) -> Callable[[House], Awaitable[None]]:
    async def take_away(house: House) -> None:
        await house.history.take_away()
        await asyncio.sleep(house.rng.uniform(least, most))
        await house.history.bring_back()

    take_away.__doc__ = f"SIGKILL to PostgreSQL, which is started again after {least} to {most} seconds."
    return take_away


async def fill(house: House) -> None:
    """There is no room on the disk; then there is again."""
    writers = [worker.pid for worker in house.workers]
    await house.history.fill(writers)
    await asyncio.sleep(house.rng.uniform(3, 6))
    await house.history.make_room(writers)


async def slow_down(house: House) -> None:
    """Everything that is asked of it takes seconds."""
    await house.history.slow_down()
    await asyncio.sleep(house.rng.uniform(5, 10))
    await house.history.speed_up()


async def kill_recorder(house: House) -> None:
    """SIGKILL to the worker that records, each time that there is something to record; the other one goes on."""
    for _ in range(3):
        number = await _recorder(house)
        await house.workers[number].kill()
        await asyncio.sleep(house.rng.uniform(0, 1))
        house.workers[number] = house.start_worker(number)
        await house.workers[number].logged("worker_ready")


async def restore_an_older_copy(house: House) -> None:
    """What an operator does: stops the workers, puts history back as it was a while ago, and starts them again. They
    find out what it lacks by themselves."""
    await house.history.copy()
    copied = await _value(house, "recorded")
    await until(lambda: _differs(house, "recorded", copied), "history has more than the copy", every=0.1)
    await asyncio.sleep(house.rng.uniform(1, 3))
    for worker in house.workers:
        assert await worker.terminate() == 0
    await house.history.put_back()
    lost = await _value(house, "history_lost")
    house.workers = [house.start_worker(number) for number in range(2)]
    for worker in house.workers:
        await worker.logged("worker_ready")
    await until(lambda: _differs(house, "history_lost", lost), "a worker has found out", every=0.1)


async def _value(house: House, name: str) -> str | None:
    async with house.state() as state:
        return await state.value(name)


async def _differs(house: House, name: str, before: str | None) -> bool:
    return await _value(house, name) != before


async def _recorder(house: House) -> int:
    """Which worker records, while something waits for it. One that was killed leads for some seconds more."""

    async def with_work() -> list[int]:
        async with house.state() as state:
            leader = await state.leader("record") or ""
        waiting = (await house.ledger.outbox.state()).waiting
        return [place for place, one in enumerate(house.workers) if leader.startswith(f"{one.pid}-") and waiting]

    found: list[int] = await until(with_work, "a worker records", every=0.001)
    return found[0]


HISTORY_FAULTS: dict[str, Callable[[House], Awaitable[None]]] = {
    "history killed": _taking_away(1, 4),
    "history away for a minute": _taking_away(60, 60),
    "history full": fill,
    "history slow by seconds": slow_down,
    "recorder killed while it records": kill_recorder,
}
"""None of these holds up a callback."""

RESTORING: dict[str, Callable[[House], Awaitable[None]]] = {
    "history restored from an older copy": restore_an_older_copy,
}
"""Nobody works meanwhile."""
