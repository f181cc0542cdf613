"""Starvation: the latency of a healthy endpoint beside fifty that hang until they time out."""

from __future__ import annotations

from bench.figures import Figure, Report, percentile
from bench.machine import TIMEOUT, Machine
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.stubs import Arrivals, HangingSubscriber, IamportStandIn, SubscriberStandIn, serve
from bench.systems import RelaySystem
from bench.traffic import Traffic

HANGING = 50
PER_SECOND = 20
SETTINGS = {"RELAY_DELIVERY_TIMEOUT": "5s"}


async def run(machine: Machine, plan: Plan) -> Report:
    """Twenty payments a second go to all endpoints; the latency of the healthy one without and with the others."""
    alone, beside = list[list[float]](), list[list[float]]()
    for number in plan.numbers(2):
        times = plan.moments(number, PER_SECOND, plan.size(15, 1))
        imp_uids = [f"imp_{number}_{i}" for i in range(len(times))]
        alone.append(await _measure(machine, 0, imp_uids, times))
        beside.append(await _measure(machine, HANGING, imp_uids, times))

    def figure(percent: float, least: float | None = None, goal: float | None = None) -> Figure:
        with_them, without = (tuple(percentile(each, percent) for each in rows) for rows in (beside, alone))
        name = f"healthy endpoint beside {HANGING} that hang, p{percent:g}"
        return Figure(name, "ms", with_them, without, "none that hang", False, least, goal)

    return Report("starvation", (figure(50), figure(95, 1.5, 1.2)))


async def _measure(machine: Machine, hanging: int, imp_uids: list[str], times: list[float]) -> list[float]:
    """Latencies in ms, from sending a webhook to the healthy endpoint's callback."""
    arrivals = Arrivals()
    api, iamport = await serve(IamportStandIn)
    port, healthy = await serve(SubscriberStandIn, arrivals)
    hanging_port, hanging_server = await serve(HangingSubscriber)
    relay = RelaySystem(machine, SETTINGS, workers=CORES)
    await relay.start(
        api, [f"http://127.0.0.1:{port}/0", *(f"http://127.0.0.1:{hanging_port}/{i}" for i in range(hanging))]
    )
    # The same warm-up for both: after it the healthy endpoint is warm and the others are hanging.
    warm = [f"warm_{i}" for i in range(20)]
    await Traffic(relay.port).on_time(warm, [i / 10 for i in range(20)])
    sent = await Traffic(relay.port).on_time(imp_uids, times)
    if not await arrivals.all_of({f"/0 {one}" for one in (*warm, *imp_uids)}, TIMEOUT):
        raise RuntimeError(f"{len(arrivals.at)} of {len(warm) + len(imp_uids)} callbacks came in time")
    for server in (iamport, healthy, hanging_server):
        server.close()
    machine.stop()
    return [(arrivals.came(one) - sent.at[one]) * 1000 for one in imp_uids]
