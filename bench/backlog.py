"""A backlog: a hundred thousand payments that were announced while no worker ran."""

from __future__ import annotations

import asyncio

from bench import end_to_end
from bench.figures import Figure, Report
from bench.machine import Machine
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.running import CONNECTIONS
from bench.stubs import Arrivals, IamportStandIn, SubscriberStandIn, serve
from bench.systems import RelaySystem
from bench.traffic import Traffic

PAYMENTS = 100_000
PATIENCE = 900.0
"""Seconds within which all of them have to be delivered."""


async def run(machine: Machine, plan: Plan) -> Report:
    """Payments a second between the first callback and the last, against the end-to-end rate; workers' memory."""
    drained, steady, memory = list[float](), list[float](), list[float]()
    for number in plan.numbers(1):
        imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
        steady.append((await end_to_end.measure(machine, RelaySystem(machine, workers=CORES), imp_uids))[0])
        rate, most = await _drain(machine, plan.size(PAYMENTS, 1_000))
        drained.append(rate)
        memory.append(most / 2**20)
    return Report(
        "backlog",
        (
            Figure(f"a backlog of {PAYMENTS:,}, drained", "/s", tuple(drained), tuple(steady), "end to end", least=1.0),
            Figure("… memory of a worker, the most", "MiB", tuple(memory), more=False, least=150),
        ),
    )


async def _drain(machine: Machine, payments: int) -> tuple[float, int]:
    """Payments a second, and the most bytes that a worker had."""
    arrivals = Arrivals()
    api, iamport = await serve(IamportStandIn)
    port, subscriber = await serve(SubscriberStandIn, arrivals)
    relay = RelaySystem(machine, workers=CORES)
    await relay.start_receiver()
    await relay.subscribe([f"http://127.0.0.1:{port}/0"])
    imp_uids = [f"imp_{i}" for i in range(payments)]
    await Traffic(relay.port).flat_out(imp_uids, connections=CONNECTIONS, seconds=PATIENCE)
    relay.start_workers(api)
    watching = asyncio.create_task(_most_memory(relay))
    came = await arrivals.all_of({f"/0 {imp_uid}" for imp_uid in imp_uids}, PATIENCE)
    watching.cancel()
    most = await watching
    for server in (iamport, subscriber):
        server.close()
    machine.stop()
    if not came:
        raise RuntimeError(f"{len(arrivals.at)} of {payments} callbacks came in time")
    return payments / (max(arrivals.at.values()) - min(arrivals.at.values())), most


async def _most_memory(relay: RelaySystem) -> int:
    """The most resident bytes that one worker had, until this is cancelled."""
    most = 0
    workers = [process for name, process in relay.processes.items() if name != "receiver"]
    try:
        while True:
            most = max(most, *(worker.usage()[1] for worker in workers))
            await asyncio.sleep(0.25)
    except asyncio.CancelledError:
        return most
