"""A payment's cost with a million payments in history, against that with ten thousand."""

from __future__ import annotations

from bench import end_to_end
from bench.figures import Figure, Report
from bench.full_histories import sqlite_of
from bench.machine import Machine
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.systems import RelaySystem

FEW, MANY = 10_000, 1_000_000


async def run(machine: Machine, plan: Plan) -> Report:
    """CPU of all processes for new payments; history in an SQLite file."""
    few, many = await sqlite_of(machine, plan.size(FEW, 200)), await sqlite_of(machine, plan.size(MANY, 2_000))
    used: dict[str, list[float]] = {few: [], many: []}
    for number in plan.numbers(3):
        imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
        for url, rounds in used.items():
            system = RelaySystem(machine, {"RELAY_HISTORY_URL": url}, workers=CORES)
            _, ms = await end_to_end.measure(machine, system, imp_uids)
            rounds.append(sum(ms.values()))
    name = f"all CPU a payment, {MANY:,} in history"
    return Report("fullness", (Figure(name, "ms", tuple(used[many]), tuple(used[few]), f"{FEW:,}", False, 1.2, 1.0),))
