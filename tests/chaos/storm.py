"""A storm: load, faults one after the other, and the account of what became of it all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from tests.chaos.accounting import Account, account
from tests.chaos.faults import inject
from tests.chaos.house import House
from tests.processes import Processes
from tests.redis_process import RedisServer

SETTLES_WITHIN = 180.0


async def storm(
    processes: Processes, server: RedisServer, free_port: Callable[[], int], seed: int, *, rate: float,
    names: Sequence[str], pause: float, environ: Mapping[str, str] | None = None,
) -> Account:  # fmt: skip
    """Webhooks at ``rate`` a second while these faults are injected; then peace, until everything has settled."""
    async with House(processes, server, free_port, seed, environ or {}) as house:
        load = house.load(rate)
        posting = asyncio.create_task(load.run())
        try:
            injected = await inject(house, names, pause)
            await asyncio.sleep(pause)
        finally:
            load.stop()
            await posting
        await house.settled(SETTLES_WITHIN)
        return await account(house, load, injected)
