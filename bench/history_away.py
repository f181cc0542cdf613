"""What a payment holds in Redis while history is away: with what waits to be recorded."""

from __future__ import annotations

from bench.figures import Figure, Report
from bench.full_histories import NO_POSTGRES, postgres
from bench.machine import TIMEOUT, Machine
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.running import CONNECTIONS, expect_all, recorded, running
from bench.systems import RelaySystem


async def run(machine: Machine, plan: Plan) -> Report:
    """PostgreSQL is stopped under a relay that runs; then webhooks as fast as they are accepted."""
    memory = list[float]()
    for number in plan.numbers(1):
        with postgres() as database:
            if database is None:
                return Report("history-away", (), notes=(NO_POSTGRES,))
            settings = {"RELAY_HISTORY_URL": database.create("away")}
            system = RelaySystem(machine, settings, workers=CORES)
            imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
            async with running(machine, system) as arrivals:
                await recorded(system)
                database.stop()
                held = machine.redis_memory()
                await system.traffic().flat_out(imp_uids, connections=CONNECTIONS)
                await expect_all(arrivals, system, imp_uids, within=2 * TIMEOUT)
                memory.append((machine.redis_memory() - held) / len(imp_uids) / 1024)
    name = "Redis memory a payment while history is away"
    return Report("history-away", (Figure(name, "KiB", tuple(memory), more=False),))
