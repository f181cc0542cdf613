"""Starvation: the latency of a healthy endpoint beside fifty that hang until they time out."""

from __future__ import annotations

import random

from bench.figures import Figure, Report, percentile
from bench.machine import TIMEOUT, Machine
from bench.stubs import Arrivals, HangingSubscriber, IamportStandIn, SubscriberStandIn, serve
from bench.systems import RelaySystem
from bench.traffic import Traffic

HANGING = 50
PER_SECOND = 20
SECONDS = 15
SETTINGS = {"RELAY_DELIVERY_TIMEOUT": "5s"}


async def run(machine: Machine, rounds: int, seed: int) -> Report:
    """Twenty payments a second go to all endpoints; the latency of the healthy one without and with the others."""
    rng = random.Random(seed)
    alone, beside = list[list[float]](), list[list[float]]()
    for number in range(rounds):
        times = sorted(rng.uniform(0, SECONDS) for _ in range(PER_SECOND * SECONDS))
        names = [f"imp_{number}_{i}" for i in range(len(times))]
        alone.append(await _measure(machine, 0, names, times))
        beside.append(await _measure(machine, HANGING, names, times))

    def figure(percent: float, mark: float | None = None) -> Figure:
        with_them, without = (tuple(percentile(each, percent) for each in rows) for rows in (beside, alone))
        name = f"healthy endpoint beside {HANGING} that hang, p{percent:g}"
        return Figure(name, "ms", with_them, without, "none that hang", more=False, mark=mark)

    return Report("starvation", (figure(50), figure(95, 2)))


async def _measure(machine: Machine, hanging: int, names: list[str], times: list[float]) -> list[float]:
    """Latencies in ms, from sending a webhook to the healthy endpoint's callback."""
    arrivals = Arrivals()
    api, iamport = await serve(IamportStandIn)
    port, healthy = await serve(SubscriberStandIn, arrivals)
    hanging_port, hanging_server = await serve(HangingSubscriber)
    relay = RelaySystem(machine, SETTINGS)
    urls = [f"http://127.0.0.1:{port}/", *(f"http://127.0.0.1:{hanging_port}/{i}" for i in range(hanging))]
    await relay.start(api, urls, in_flight=8)
    # The same warm-up for both: after it the healthy endpoint is warm and the others are hanging.
    warm = [f"warm_{i}" for i in range(20)]
    await Traffic(relay.port).on_time(warm, [i / 10 for i in range(20)])
    sent = await Traffic(relay.port).on_time(names, times)
    if not await arrivals.all_of({*warm, *names}, TIMEOUT):
        raise RuntimeError(f"{len(arrivals.at)} of {len(warm) + len(names)} callbacks came in time")
    for server in (iamport, healthy, hanging_server):
        server.close()
    machine.stop()
    return [(arrivals.at[name] - sent.at[name]) * 1000 for name in names]
