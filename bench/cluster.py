"""A Redis Cluster whose primaries share the cells, against one primary with all of them."""

from __future__ import annotations

from collections import defaultdict

from bench import end_to_end
from bench.figures import Figure, Report
from bench.machine import Machine, free_port
from bench.many_merchants import MERCHANTS, ManyMerchants
from bench.peer_systems import CORES
from bench.plan import Plan
from ledger.keys import cell_of
from tests.support.ledger_redis import CELLS
from tests.support.redis_cluster import Cluster, client

PRIMARIES = 3
HIGHEST_PORT = 65535 - 10_000


async def run(machine: Machine, plan: Plan) -> Report:
    """Webhooks of several merchants as fast as they are accepted; no replicas, the queue is on the machine's Redis."""
    rates, used = defaultdict[int, list[float]](list), defaultdict[int, list[float]](list)
    busiest = 0
    for number in plan.numbers(3):
        imp_uids = [f"imp_{number}_{i}" for i in range(plan.size(4000, 100))]
        for primaries in (1, PRIMARIES):
            cluster = Cluster(_free_port, machine.folder / "cluster", primaries, replicas=False)
            try:
                cluster.start()
                _empty(cluster)
                busiest = _most_merchants(cluster)
                settings = {"REDIS_URL": cluster.url(*cluster.primaries)}
                pids = [node.pid for node in cluster.nodes.values()]
                system = ManyMerchants(machine, settings, pids, workers=CORES)
                a_second, ms = await end_to_end.measure(machine, system, imp_uids)
            finally:
                cluster.stop()
            rates[primaries].append(a_second)
            used[primaries].append(ms["Redis"])
    one = "one primary"
    return Report(
        "cluster",
        (
            Figure(f"a Cluster of {PRIMARIES} primaries, {CORES} cores for all: end to end", "/s",
                   tuple(rates[PRIMARIES]), tuple(rates[1]), one),
            Figure("… CPU a payment of all Redis servers", "ms", tuple(used[PRIMARIES]), tuple(used[1]), one, False),
        ),
        notes=(f"{len(MERCHANTS)} merchants, at most {busiest} of them on one of the {PRIMARIES} primaries",),
    )  # fmt: skip


def _free_port() -> int:
    """One whose node can have the port 10,000 above it for the bus."""
    return next(port for port in iter(free_port, None) if port <= HIGHEST_PORT)


def _empty(cluster: Cluster) -> None:
    """The relay begins the ledger, as on a Redis that is new."""
    for port in cluster.primaries:
        with client(port) as one:
            one.flushall()


def _most_merchants(cluster: Cluster) -> int:
    owners = [cluster.owner_of(cell_of(merchant, CELLS)) for merchant in MERCHANTS]
    return max(map(owners.count, owners))
