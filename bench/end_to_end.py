"""From webhook to signed callback: payments a second, and the latency at a steady rate."""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from standardwebhooks import Webhook

from bench.figures import Figure, Report, percentile
from bench.machine import TIMEOUT, Machine
from bench.stubs import Arrivals, IamportStandIn, SubscriberStandIn, serve
from bench.systems import SECRET, PlainDramatiq, RelaySystem, System
from bench.traffic import Traffic

PAYMENTS = {RelaySystem.name: 4000}
PEER_PAYMENTS = 1000
"""Payments sent at once: as many as keep each system busy for some seconds."""
CONNECTIONS = 64
PER_SECOND = 100
SECONDS = 8


async def rate(machine: Machine, rounds: int, _seed: int) -> Report:
    """Payments a second: webhooks as fast as they are accepted, until the last callback has arrived."""
    found, cpu = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    cores = os.cpu_count() or 1
    for number in range(rounds):
        for system in (
            PlainDramatiq(machine),
            RelaySystem(machine, workers=cores),
            PlainDramatiq(machine, reuses_token=True),
        ):
            async with _running(machine, system) as arrivals:
                names = [f"imp_{number}_{i}" for i in range(PAYMENTS.get(system.name, PEER_PAYMENTS))]
                before = _cpu(machine, system)
                sent = await Traffic(system.port).flat_out(names, connections=CONNECTIONS)
                _expect(await arrivals.all_of(set(names), 2 * TIMEOUT), system, arrivals, len(names))
                took = max(arrivals.at.values()) - sent.began
                found[system.name].append(len(names) / took)
                cpu[system.name].append((_cpu(machine, system) - before) * 1000 / len(names))

    def figure(
        name: str, unit: str, rows: dict[str, list[float]], other: str, more: bool, mark: float | None = None
    ) -> Figure:
        return Figure(name, unit, tuple(rows[RelaySystem.name]), tuple(rows[other]), other, more=more, mark=mark)

    reusing = next(name for name in found if name not in (RelaySystem.name, PlainDramatiq.name))
    return Report(
        "rate",
        (
            figure("payments end to end", "/s", found, PlainDramatiq.name, True, 4),
            figure("payments end to end", "/s", found, reusing, True),
            figure("CPU a payment, Redis included", "ms", cpu, PlainDramatiq.name, False),
            figure("CPU a payment, Redis included", "ms", cpu, reusing, False),
        ),
    )


async def latency(machine: Machine, rounds: int, seed: int) -> Report:
    """From sending a webhook to receiving its callback, at 100 webhooks a second at random moments."""
    waits: dict[str, list[list[float]]] = {RelaySystem.name: [], PlainDramatiq.name: []}
    rng = random.Random(seed)
    for number in range(rounds):
        times = sorted(rng.uniform(0, SECONDS) for _ in range(PER_SECOND * SECONDS))
        names = [f"imp_{number}_{i}" for i in range(len(times))]
        for system in (PlainDramatiq(machine), RelaySystem(machine)):
            async with _running(machine, system) as arrivals:
                sent = await Traffic(system.port).on_time(names, times)
                _expect(await arrivals.all_of(set(names), TIMEOUT), system, arrivals, len(names))
                waits[system.name].append([(arrivals.at[name] - sent.at[name]) * 1000 for name in names])

    def figure(percent: float, limit: float | None = None) -> Figure:
        relay, plain = (
            tuple(percentile(each, percent) for each in waits[name]) for name in (RelaySystem.name, PlainDramatiq.name)
        )
        return Figure(
            f"latency at 100/s, p{percent:g}", "ms", relay, plain, PlainDramatiq.name, more=False, limit=limit
        )

    return Report("latency", (figure(50), figure(95, 100), figure(99)))


@asynccontextmanager
async def _running(machine: Machine, system: System) -> AsyncIterator[Arrivals]:
    """The running system, warmed up; the arrivals at its one endpoint. Verifies a signature at the end."""
    arrivals = Arrivals()
    api, iamport = await serve(IamportStandIn)
    port, subscriber = await serve(SubscriberStandIn, arrivals)
    await system.start(api, [f"http://127.0.0.1:{port}/callback"])
    warm = [f"warm_{i}" for i in range(50)]
    await Traffic(system.port).flat_out(warm, connections=8)
    _expect(await arrivals.all_of(set(warm), TIMEOUT), system, arrivals, len(warm))
    arrivals.at.clear()
    yield arrivals
    Webhook(SECRET).verify(arrivals.body, dict(arrivals.headers))
    iamport.close()
    subscriber.close()
    machine.stop()


def _cpu(machine: Machine, system: System) -> float:
    """Seconds of CPU that all processes but this one have used so far."""
    return machine.redis_cpu() + sum(process.usage()[0] for process in system.processes.values())


def _expect(arrived: bool, system: System, arrivals: Arrivals, of: int) -> None:
    if not arrived:
        raise RuntimeError(f"{system.name}: {len(arrivals.at)} of {of} callbacks came in time")
