"""Several machines: their clocks disagree by a minute, and one of them loses Redis for longer than its leases last."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from tests.chaos.accounting import account
from tests.chaos.house import House
from tests.support.processes import ROOT, Processes
from tests.support.redis_process import RedisServer
from tests.support.waiting import PATIENCE

_OFF = """
import os, time
real, off = time.time, float(os.environ["CLOCK_OFF"])
time.time = lambda: real() + off
"""


async def test_leases_order_and_ids_hold_across_machines(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], tmp_path: Path, seed: int
) -> None:
    """Clocks are 30 s ahead and 30 s behind; each worker is cut off, or stands still, beyond its leases and comes back
    with work in its hands that is somebody else's: still every fact is told under one id, in order."""
    (tmp_path / "sitecustomize.py").write_text(_OFF)
    async with House(processes, own_redis, free_port, seed, {}) as house:
        for number, off in enumerate(("30", "-30")):
            await house.workers[number].terminate()
            path = f"{tmp_path}:{ROOT}"
            house.workers[number] = house.start_worker(number, CLOCK_OFF=off, PYTHONPATH=path)
        for worker in house.workers:
            await worker.logged("worker_ready")
        house.subscriber.trouble.seconds = 0.8
        load = house.load(10)
        posting = asyncio.create_task(load.run())
        await asyncio.sleep(2)
        house.ways["worker-0"].cut()
        await asyncio.sleep(11)
        house.ways["worker-0"].mend()
        house.workers[1].signal(signal.SIGSTOP)
        await asyncio.sleep(11)
        house.workers[1].signal(signal.SIGCONT)
        load.stop()
        await posting
        await house.settled(3 * PATIENCE)
        made = await account(house, load, [])
        assert made.broken == []
        assert (made.lost, made.most_ids) == (0, 1)
