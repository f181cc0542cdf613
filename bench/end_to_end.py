"""From webhook to signed callback: payments a second and their CPU, compared with what people would use instead."""

from __future__ import annotations

import statistics
from collections import defaultdict

from bench.figures import Chart, Figure, Report
from bench.machine import TIMEOUT, Machine
from bench.peer_systems import CORES, FastifyBullmq, PlainDramatiq, installed
from bench.plan import Plan
from bench.running import CONNECTIONS, cpu, expect_all, running, spent
from bench.systems import RelaySystem, System

MARKS = {PlainDramatiq.name: (5.0, 8.0), FastifyBullmq.name: (1.3, 2.0)}
_NO_MARKS = (None, None)


async def rate(machine: Machine, plan: Plan) -> Report:
    """Webhooks as fast as they are accepted, until the last callback has arrived."""
    peers, notes = installed()
    rates = defaultdict[str, list[float]](list)
    used = defaultdict[str, list[dict[str, float]]](list)
    for number in plan.numbers(3):
        systems: list[System] = [RelaySystem(machine, workers=CORES), *(peer(machine) for peer in peers)]
        for system in systems:
            payments = plan.size(4000 if system.name == RelaySystem.name else 1500, 100)
            a_second, ms = await measure(machine, system, [f"imp_{number}_{i}" for i in range(payments)])
            rates[system.name].append(a_second)
            used[system.name].append(ms)
    total = {name: tuple(sum(ms.values()) for ms in rounds) for name, rounds in used.items()}
    figures = [
        *(_rate(rates, peer.name) for peer in peers),
        Figure("all CPU a payment", "ms", total[RelaySystem.name], more=False, least=0.7, goal=0.5),
        *(_cpu(total, peer.name) for peer in peers),
    ]
    return Report("rate", tuple(figures), (_rates(rates), _parts(used)), notes)


async def measure(machine: Machine, system: System, imp_uids: list[str]) -> tuple[float, dict[str, float]]:
    """Payments a second of a system that is started for it, and ms of CPU a payment by kind of process."""
    async with running(machine, system) as arrivals:
        before = await cpu(machine, system)
        sent = await system.traffic().flat_out(imp_uids, connections=CONNECTIONS)
        await expect_all(arrivals, system, imp_uids, within=4 * TIMEOUT)
        took = max(arrivals.at.values()) - sent.began
        return len(imp_uids) / took, spent(before, await cpu(machine, system), len(imp_uids))


def _rate(rates: dict[str, list[float]], peer: str) -> Figure:
    least, goal = MARKS.get(peer, _NO_MARKS)
    relay, other = tuple(rates[RelaySystem.name]), tuple(rates[peer])
    return Figure("payments end to end", "/s", relay, other, peer, least=least, goal=goal)


def _cpu(total: dict[str, tuple[float, ...]], peer: str) -> Figure:
    return Figure("… CPU a payment", "ms", total[RelaySystem.name], total[peer], peer, more=False)


def _rates(rates: dict[str, list[float]]) -> Chart:
    bars = tuple((name, {"payments": statistics.median(rounds)}) for name, rounds in rates.items())
    return Chart("rate", "Payments a second, end to end", "/s", bars, more=True)


def _parts(used: dict[str, list[dict[str, float]]]) -> Chart:
    bars = tuple(
        (name, {part: statistics.median(ms[part] for ms in rounds) for part in rounds[0]})
        for name, rounds in used.items()
    )
    return Chart("cpu", "CPU a payment, all processes", "ms", bars)
