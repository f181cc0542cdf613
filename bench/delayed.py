"""A hundred thousand deliveries due in hours: their cost in a worker's memory, and in the delay of one due now."""

from __future__ import annotations

import asyncio
import time

from bench.figures import Figure, Report, percentile
from bench.machine import TIMEOUT, Machine
from bench.plan import Plan
from bench.running import recorded
from bench.stubs import Arrivals, IamportStandIn, SubscriberStandIn, serve
from bench.systems import RelaySystem, endpoint_name
from ledger.keys import Lane, cell_of
from tests.support.ledger_driver import Driver, paid
from tests.support.ledger_redis import CELLS

DELAYED = 100_000
BATCH = 500
LATER = 6 * 3600.0
PROBES = 40
SOON = 20.0
"""Seconds until the first probe is due: enough for a worker to start."""
CELL = cell_of("default", CELLS)
LANE, REFRESH = Lane("deliver", endpoint_name(0), CELL), Lane("refresh", "default", CELL)


async def run(machine: Machine, plan: Plan) -> Report:
    """How late deliveries arrive at their time, and the worker's memory, without and with the delayed ones."""
    without, beside = list[tuple[float, float]](), list[tuple[float, float]]()
    for _ in plan.numbers(1):
        without.append(await _measure(machine, 0))
        beside.append(await _measure(machine, plan.size(DELAYED, 2 * BATCH)))
    (late, memory), (late_without, memory_without) = (tuple(zip(*rounds, strict=True)) for rounds in (beside, without))
    name, other = f"{DELAYED:,} delayed: one that is due, late by, p95", "none delayed"
    return Report(
        "delayed",
        (
            Figure(name, "ms", late, late_without, other, more=False, least=500, absolute=True),
            Figure("… worker memory", "MiB", memory, memory_without, other, more=False, least=1.1),
        ),
    )


async def _measure(machine: Machine, delayed: int) -> tuple[float, float]:
    """How late the probes arrive (ms, p95) beside so many that are delayed, and a worker's resident MiB after them."""
    arrivals = Arrivals()
    api, iamport = await serve(IamportStandIn)
    port, subscriber = await serve(SubscriberStandIn, arrivals)
    relay = RelaySystem(machine)
    await relay.start_receiver()
    await relay.subscribe([f"http://127.0.0.1:{port}/0"])
    ledger = relay.ledger()
    driver = Driver(ledger)
    await driver.give_places(LANE.name, 64)
    for first in range(0, delayed, BATCH):
        await _postpone(driver, [f"late_{first + number}" for number in range(BATCH)], LATER)
    relay.start_workers(api)
    await recorded(relay)  # a recorder that is busy with them would make others late
    relay.processes["worker 0"].end()
    due = {}
    for number in range(PROBES):
        asked = time.perf_counter()
        again_in = SOON + number * 0.037
        await _postpone(driver, [f"probe_{number}"], again_in)
        due[f"/0 probe_{number}"] = (asked + time.perf_counter()) / 2 + again_in
    await ledger.close()
    relay.start_workers(api)
    came = await arrivals.all_of(set(due), SOON + TIMEOUT)
    resident = relay.processes["worker 0"].usage()[1] / 2**20
    for server in (iamport, subscriber):
        server.close()
    machine.stop()
    if not came:
        raise RuntimeError(f"{len(arrivals.at)} of {PROBES} callbacks came in time")
    return percentile([(arrivals.at[callback] - at) * 1000 for callback, at in due.items()], 95), resident


async def _postpone(driver: Driver, imp_uids: list[str], seconds: float) -> None:
    """Does by hand what ends in deliveries that are due later: webhook, look-up, a first attempt that fails."""
    await asyncio.gather(*(driver.accept(imp_uid) for imp_uid in imp_uids))
    while claimed := await driver.claim(REFRESH):
        shown = [paid(one.record.imp_uid, merchant_uid=f"order_{one.record.imp_uid}") for one in claimed]
        commits = zip(claimed, shown, strict=True)
        await asyncio.gather(*(driver.commit(one, snapshot) for one, snapshot in commits))
    while taken := await driver.take(LANE):
        await asyncio.gather(*(driver.fail(one, seconds) for one in taken))
