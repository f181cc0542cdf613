"""Idleness: what two workers and Redis do while nothing happens."""

from __future__ import annotations

import asyncio

from bench.figures import Figure, Report
from bench.machine import Machine
from bench.plan import Plan
from bench.running import cpu, running
from bench.systems import RelaySystem

WORKERS = 2


async def run(machine: Machine, plan: Plan) -> Report:
    """Half a minute without a webhook, after a few."""
    commands, percent = list[float](), list[float]()
    for _ in plan.numbers(2):
        system = RelaySystem(machine, workers=WORKERS)
        async with running(machine, system):
            await asyncio.sleep(plan.size(5, 1))  # what is recorded, swept and trimmed behind the last payment
            seconds = plan.size(30, 2)
            used = (await cpu(machine, system))["workers"]
            counted = machine.redis_commands()
            await asyncio.sleep(seconds)
            commands.append((machine.redis_commands() - counted).total() / seconds)
            percent.append(((await cpu(machine, system))["workers"] - used) / WORKERS / seconds * 100)
    return Report(
        "idle",
        (
            Figure("idle, two workers: Redis commands", "/s", tuple(commands), more=False, least=20, goal=10),
            Figure("… CPU a worker", "%", tuple(percent), more=False, least=1, goal=0.3),
        ),
    )
