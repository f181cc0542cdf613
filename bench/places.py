"""An endpoint's places: one that begins with a few and finds them, against one that has all from the start."""

from __future__ import annotations

from bench.figures import Figure, Report
from bench.machine import TIMEOUT, Machine
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.running import CONNECTIONS
from bench.stubs import Arrivals, IamportStandIn, SubscriberStandIn, serve
from bench.systems import RelaySystem, endpoint_name
from bench.traffic import Traffic
from schemas.endpoints.places import FIRST
from tests.support.ledger_driver import Driver

ALL = 64


async def run(machine: Machine, plan: Plan) -> Report:
    """Webhooks as fast as they are accepted, to an endpoint that has taken nothing before."""
    defaults, all_places = list[float](), list[float]()
    for number in plan.numbers(3):
        imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
        defaults.append(await _measure(machine, imp_uids, FIRST))
        all_places.append(await _measure(machine, imp_uids, ALL))
    name = f"{ALL} places from the start"
    figure = Figure("end to end, a new endpoint", "/s", tuple(defaults), tuple(all_places), name, least=0.9, goal=1.0)
    return Report("places", (figure,))


async def _measure(machine: Machine, imp_uids: list[str], places: int) -> float:
    """Payments a second; no warming up, in which the endpoint would find its places."""
    arrivals = Arrivals()
    api, iamport = await serve(IamportStandIn)
    port, subscriber = await serve(SubscriberStandIn, arrivals)
    relay = RelaySystem(machine, workers=CORES)
    await relay.start(api, [f"http://127.0.0.1:{port}/0"])
    ledger = relay.ledger()
    await Driver(ledger).give_places(endpoint_name(0), places)
    await ledger.close()
    sent = await Traffic(relay.port).flat_out(imp_uids, connections=CONNECTIONS)
    if not await arrivals.all_of({f"/0 {imp_uid}" for imp_uid in imp_uids}, 2 * TIMEOUT):
        raise RuntimeError(f"{len(arrivals.at)} of {len(imp_uids)} callbacks came in time")
    took = max(arrivals.at.values()) - sent.began
    for server in (iamport, subscriber):
        server.close()
    machine.stop()
    return len(imp_uids) / took
