"""A storm: load, faults one after the other, and the account of what became of it all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tests.chaos.accounting import Account, account
from tests.chaos.databases import HistoryDatabase
from tests.chaos.faults import FAULTS, Fault, inject
from tests.chaos.house import House
from tests.support.processes import Processes
from tests.support.redis_process import RedisServer
from tests.support.sentinels import Watched

SETTLES_WITHIN = 180.0


async def storm(
    processes: Processes, server: RedisServer, free_port: Callable[[], int], seed: int, *, rate: float,
    names: Sequence[str], pause: float, environ: Mapping[str, str] | None = None,
    history: HistoryDatabase | None = None,
) -> Account:  # fmt: skip
    """Webhooks at ``rate`` a second while these faults are injected; then peace, until everything has settled."""
    async with House(processes, server, free_port, seed, environ or {}, history=history) as house:
        return await _weathered(house, rate, pause, [(name, FAULTS[name]) for name in names])


async def failovers(
    processes: Processes, watched: Watched, free_port: Callable[[], int], seed: int, *, rate: float, times: int,
    pause: float, history: HistoryDatabase | None = None,
) -> Account:  # fmt: skip
    """The same while the primary is killed so many times, with one replica's acknowledgement asked for."""

    async def fail_over(_house: House) -> None:
        await watched.fail_over()

    server, environ = watched.servers[watched.primary], {"RELAY_REPLICA_ACKS": "1"}
    async with House(
        processes, server, free_port, seed, environ, lambda _port: watched.url, lambda: watched.primary, history
    ) as house:
        return await _weathered(house, rate, pause, [("primary killed, replica promoted", fail_over)] * times)


async def _weathered(house: House, rate: float, pause: float, faults: Sequence[tuple[str, Fault]]) -> Account:
    load = house.load(rate)
    posting = asyncio.create_task(load.run())
    try:
        injected = await inject(house, load, faults, pause)
        await asyncio.sleep(pause)
    finally:
        load.stop()
        await posting
    await house.settled(SETTLES_WITHIN)
    return await account(house, load, injected)
