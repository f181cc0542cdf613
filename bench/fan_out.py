"""Fan-out: the cost of events that each go to a hundred endpoints, against as many deliveries to one endpoint."""

from __future__ import annotations

from bench.figures import Figure, Report
from bench.machine import TIMEOUT, Machine
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.running import CONNECTIONS, cpu, expect_all, running, spent
from bench.systems import RelaySystem
from bench.traffic import Traffic

ENDPOINTS = 100


async def run(machine: Machine, plan: Plan) -> Report:
    """CPU of all processes for a hundred deliveries: of one payment, and of a hundred."""
    to_many, to_one = list[float](), list[float]()
    for number in plan.numbers(3):
        payments = plan.size(40, 2)
        to_many.append(await _measure(machine, f"imp_m{number}", payments, ENDPOINTS))
        to_one.append(await _measure(machine, f"imp_o{number}", payments * ENDPOINTS, 1))
    name, other = f"one event to {ENDPOINTS} endpoints, all CPU", f"{ENDPOINTS} events to one"
    return Report("fan-out", (Figure(name, "ms", tuple(to_many), tuple(to_one), other, False, 1.5, 1.0),))


async def _measure(machine: Machine, name: str, payments: int, endpoints: int) -> float:
    """ms of CPU for a hundred deliveries."""
    system = RelaySystem(machine, workers=CORES)
    imp_uids = [f"{name}_{i}" for i in range(payments)]
    async with running(machine, system, endpoints=endpoints) as arrivals:
        before = await cpu(machine, system)
        await Traffic(system.port).flat_out(imp_uids, connections=CONNECTIONS)
        await expect_all(arrivals, system, imp_uids, endpoints=endpoints, within=2 * TIMEOUT)
        return sum(spent(before, await cpu(machine, system), payments * endpoints).values()) * ENDPOINTS
