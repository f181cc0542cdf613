"""A primary with a replica under Sentinels, each webhook acknowledged by both, against a Redis alone."""

from __future__ import annotations

import redis

from bench import end_to_end
from bench.figures import Figure, Report
from bench.machine import Machine, free_port
from bench.peer_systems import CORES
from bench.plan import Plan
from bench.systems import RelaySystem
from tests.support.sentinels import Watched


async def run(machine: Machine, plan: Plan) -> Report:
    """Webhooks as fast as they are accepted, as `rate`, with ``RELAY_REPLICA_ACKS=1``."""
    rates, alone, used, used_alone = list[float](), list[float](), list[float](), list[float]()
    for number in plan.numbers(3):
        imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
        a_second, ms = await end_to_end.measure(machine, RelaySystem(machine, workers=CORES), imp_uids)
        alone.append(a_second)
        used_alone.append(ms["Redis"])
        watched = Watched(free_port, machine.folder)
        try:
            await watched.start()
            with redis.Redis(port=watched.primary) as client:
                client.flushall()  # the relay begins the ledger, as on a Redis that is new
            settings = {"REDIS_URL": watched.url, "RELAY_REPLICA_ACKS": "1"}
            system = RelaySystem(machine, settings, workers=CORES)
            system.servers.append(watched.servers[watched.primary].pid)
            a_second, ms = await end_to_end.measure(machine, system, imp_uids)
        finally:
            watched.stop()
        rates.append(a_second)
        used.append(ms["Redis"])
    other = "a Redis alone"
    return Report(
        "replica",
        (
            Figure("with a replica that acknowledges, end to end", "/s", tuple(rates), tuple(alone), other),
            Figure(
                "… CPU a payment of Redis without the replica", "ms", tuple(used), tuple(used_alone), other, more=False
            ),
        ),
    )
