"""What history costs while it is written: CPU a payment, and how far it is behind."""

from __future__ import annotations

import asyncio

from bench.figures import Figure, Report, percentile
from bench.filling import fill
from bench.full_histories import NO_POSTGRES, postgres
from bench.machine import Machine, tree_usage
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.running import expect_all, running
from bench.systems import RelaySystem
from bench.traffic import Traffic
from history import History
from runtime.garbage import collect_less
from runtime.history_url import parse

RECORDED = 20_000
WARM = 2_000
"""Payments that are recorded to measure what that costs, and those before them."""
PER_SECOND = 200


async def recording(machine: Machine, plan: Plan) -> Report:
    """CPU of a recorder for each payment, in batches of 200; with PostgreSQL its part, and the server's."""
    payments = plan.size(RECORDED, 400)
    file, client, server = list[float](), list[float](), list[float]()
    with postgres() as database:
        for number in plan.numbers(3):
            file.append((await _record(f"sqlite:///{machine.folder}/recording-{number}.db", payments, None))[0])
            if database is not None:
                mine, its = await _record(database.create(f"recording_{number}"), payments, database.pid)
                client.append(mine)
                server.append(its)
    name = "recording, CPU a payment, {}"
    figures = [Figure(name.format("SQLite"), "µs", tuple(file), more=False, least=80)]
    if client:
        figures += [
            Figure(name.format("PostgreSQL: the recorder"), "µs", tuple(client), more=False, least=80),
            Figure("… the server", "µs", tuple(server), more=False),
        ]
    return Report("recording", tuple(figures), notes=() if client else (NO_POSTGRES,))


async def _record(url: str, payments: int, server: int | None) -> tuple[float, float]:
    """µs of CPU a payment: of this process, and of the server."""
    history = History.connect(parse(url))
    try:
        await history.prepare()
        await fill(history, WARM)
        collect_less()  # as a worker does
        before = tree_usage(server)[0] if server else 0.0
        mine = await fill(history, payments, first=WARM)
        its = tree_usage(server)[0] - before if server else 0.0
    finally:
        await history.close()
    return mine / payments * 1e6, its / payments * 1e6


async def behind(machine: Machine, plan: Plan) -> Report:
    """How long the oldest change has waited for history, asked every 20 ms at 200 webhooks a second."""
    waited = list[float]()
    for number in plan.numbers(2):
        times = plan.moments(number, PER_SECOND, plan.size(10, 1))
        imp_uids = [f"imp_{number}_{i}" for i in range(len(times))]
        system = RelaySystem(machine, workers=CORES)
        async with running(machine, system) as arrivals:
            sampling = asyncio.create_task(_sample(system))
            await Traffic(system.port).on_time(imp_uids, times)
            sampling.cancel()
            await expect_all(arrivals, system, imp_uids)
            waited.append(percentile(await sampling, 95))
    figure = Figure(f"history behind at {PER_SECOND}/s, p95", "ms", tuple(waited), more=False, least=100)
    return Report("behind", (figure,))


async def _sample(system: RelaySystem) -> list[float]:
    """What history was behind by, in ms, each time until this is cancelled."""
    ledger, found = system.ledger(), list[float]()
    try:
        while True:
            found.append((await ledger.outbox.state()).behind * 1000)
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        return found
    finally:
        await ledger.close()
