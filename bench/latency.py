"""Latency: from sending a webhook to receiving its callback, at a steady rate and after a silence."""

from __future__ import annotations

import asyncio
import statistics
from collections import defaultdict

from bench.figures import Chart, Figure, Report, percentile
from bench.machine import TIMEOUT, Machine
from bench.peer_systems import CORES, FastifyBullmq, ReusingDramatiq, installed
from bench.plan import Plan
from bench.running import expect_all, running
from bench.systems import RelaySystem, System
from bench.traffic import Traffic

PER_SECOND = 200
MARKS = {50: (15.0, 5.0), 95: (35.0, 15.0), 99: (None, None)}
SILENCE = 10
PROBES = 6


async def latency(machine: Machine, plan: Plan) -> Report:
    """At 200 webhooks a second at random moments."""
    peers, notes = installed((ReusingDramatiq, FastifyBullmq))
    waits = defaultdict[str, list[list[float]]](list)
    for number in plan.numbers(3):
        times = plan.moments(number, PER_SECOND, plan.size(10, 1))
        imp_uids = [f"imp_{number}_{i}" for i in range(len(times))]
        systems: list[System] = [RelaySystem(machine, workers=CORES), *(peer(machine) for peer in peers)]
        for system in systems:
            async with running(machine, system) as arrivals:
                sent = await Traffic(system.port).on_time(imp_uids, times)
                await expect_all(arrivals, system, imp_uids)
                waits[system.name].append([(arrivals.came(one) - sent.at[one]) * 1000 for one in imp_uids])
    found = {
        name: {percent: tuple(percentile(each, percent) for each in rounds) for percent in MARKS}
        for name, rounds in waits.items()
    }
    figures = [
        Figure(f"latency at {PER_SECOND}/s, p{percent}", "ms", found[RelaySystem.name][percent],
               more=False, least=least, goal=goal)
        for percent, (least, goal) in MARKS.items()
    ]  # fmt: skip
    for peer in peers:
        for percent in (50, 95):
            relay, other = found[RelaySystem.name][percent], found[peer.name][percent]
            figures.append(Figure(f"… p{percent}", "ms", relay, other, peer.name, more=False))
    charts = tuple(
        Chart(f"latency-p{percent}", f"From webhook to callback at {PER_SECOND} a second, p{percent}", "ms",
              tuple((name, {"latency": statistics.median(rows[percent])}) for name, rows in found.items()))
        for percent in (50, 95)
    )  # fmt: skip
    return Report("latency", tuple(figures), charts, notes)


async def silence(machine: Machine, plan: Plan) -> Report:
    """One webhook after ten seconds in which none came; the median of several."""
    took = list[float]()
    for number in plan.numbers(3):
        system = RelaySystem(machine, workers=CORES)
        async with running(machine, system) as arrivals:
            waits = []
            for probe in range(plan.size(PROBES, 1)):
                await asyncio.sleep(plan.size(SILENCE, 1))
                imp_uid = f"imp_{number}_{probe}"
                sent = await Traffic(system.port).on_time([imp_uid], [0.0])
                await expect_all(arrivals, system, [f"imp_{number}_{one}" for one in range(probe + 1)], within=TIMEOUT)
                waits.append((arrivals.came(imp_uid) - sent.at[imp_uid]) * 1000)
        took.append(statistics.median(waits))
    figure = Figure(f"one webhook after {SILENCE} s of silence", "ms", tuple(took), more=False, least=20, goal=8)
    return Report("silence", (figure,))
