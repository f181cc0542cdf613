"""What a payment costs Redis: its CPU, its commands, its part of the log, and the memory that it holds when settled."""

from __future__ import annotations

from bench.figures import Figure, Report
from bench.machine import TIMEOUT, Machine
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.running import CONNECTIONS, cpu, expect_all, running, spent
from bench.systems import RelaySystem
from bench.traffic import Traffic

MOST = 12


async def run(machine: Machine, plan: Plan) -> Report:
    """Webhooks as fast as they are accepted, until the last callback has arrived and history has everything."""
    used, commands, memory, log, most = list[float](), list[float](), list[float](), list[float](), ""
    for number in plan.numbers(3):
        system = RelaySystem(machine, workers=CORES)
        imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
        async with running(machine, system) as arrivals:
            before = await cpu(machine, system)
            held, logged, counted = machine.redis_memory(), machine.redis_log(), machine.redis_commands()
            await Traffic(system.port).flat_out(imp_uids, connections=CONNECTIONS)
            await expect_all(arrivals, system, imp_uids, within=2 * TIMEOUT)
            used.append(spent(before, await cpu(machine, system), len(imp_uids))["Redis"])
            carried_out = machine.redis_commands() - counted
            commands.append(carried_out.total() / len(imp_uids))
            most = ", ".join(f"{name} {count / len(imp_uids):.1f}" for name, count in carried_out.most_common(MOST))
            memory.append((machine.redis_memory() - held) / len(imp_uids) / 1024)
            log.append((machine.redis_log() - logged) / len(imp_uids) / 1024)
    return Report(
        "redis",
        (
            Figure("Redis CPU a payment", "ms", tuple(used), more=False, least=0.2, goal=0.12),
            Figure("Redis commands a payment, within scripts too", "", tuple(commands), more=False, least=25, goal=15),
            Figure("Redis memory a settled payment", "KiB", tuple(memory), more=False, least=3, goal=2),
            Figure("Redis' append-only file a payment", "KiB", tuple(log), more=False),
        ),
        notes=(f"most of the commands a payment: {most}",),
    )
