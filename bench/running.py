"""A running system with its stand-ins, warmed up, and what its processes use."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from standardwebhooks import Webhook

from bench.machine import TIMEOUT, Machine, tree_usage
from bench.stubs import Arrivals, IamportStandIn, SubscriberStandIn, serve
from bench.systems import SECRET, RelaySystem, System

CONNECTIONS = 64
"""Connections that send webhooks flat out."""
WARM = 50
"""Payments that warm a system up."""


@asynccontextmanager
async def running(machine: Machine, system: System, *, endpoints: int = 1) -> AsyncIterator[Arrivals]:
    """The running system, warmed up; what arrives at its endpoints. Verifies a signature at the end."""
    arrivals = Arrivals()
    api, iamport = await serve(IamportStandIn, host=system.outside)
    port, subscriber = await serve(SubscriberStandIn, arrivals, host=system.outside)
    await system.start(api, [f"http://{system.outside}:{port}/{number}" for number in range(endpoints)])
    name = secrets.token_hex(4)  # a history that is kept may know the payments of another warm-up
    warm = [f"warm_{name}_{i}" for i in range(WARM)]
    await system.traffic().flat_out(warm, connections=8)
    await expect_all(arrivals, system, warm, endpoints=endpoints)
    arrivals.forget()
    yield arrivals
    Webhook(SECRET).verify(arrivals.body, dict(arrivals.headers))
    iamport.close()
    subscriber.close()
    machine.stop()


async def expect_all(
    arrivals: Arrivals, system: System, imp_uids: Sequence[str], *, endpoints: int = 1, within: float = TIMEOUT
) -> None:
    """Waits until each of these has come to each endpoint. Raises `RuntimeError` if one has not in time."""
    expected = {f"/{number} {imp_uid}" for number in range(endpoints) for imp_uid in imp_uids}
    if not await arrivals.all_of(expected, within):
        raise RuntimeError(f"{system.name}: {len(arrivals.at)} of {len(expected)} callbacks came in time")


async def cpu(machine: Machine, system: System) -> dict[str, float]:
    """The seconds of CPU that all processes but this one have used so far: `receiver`, `workers`, `Redis`.

    The relay's history has everything by then: what it costs to record is not left out.
    """
    servers: Sequence[int] = ()
    if isinstance(system, RelaySystem):
        await recorded(system)
        servers = system.servers
    used = {"receiver": 0.0, "workers": 0.0, "Redis": machine.redis_cpu() + sum(tree_usage(pid)[0] for pid in servers)}
    for name, process in system.processes.items():
        used["receiver" if name == "receiver" else "workers"] += process.usage()[0]
    return used


def spent(before: Mapping[str, float], after: Mapping[str, float], payments: int) -> dict[str, float]:
    """Between two such moments, ms of CPU a payment."""
    return {part: (after[part] - before[part]) * 1000 / payments for part in before}


async def recorded(relay: RelaySystem) -> None:
    """Waits until history has everything, while it is getting on. Raises `TimeoutError`."""
    ledger = relay.ledger()
    waited, least = 0.0, float("inf")
    try:
        while (waiting := (await ledger.outbox.state()).waiting) > 0:
            waited, least = (0.0, waiting) if waiting < least else (waited + 0.1, least)
            if waited > TIMEOUT:
                raise TimeoutError(f"{waiting} changes wait for history")
            await asyncio.sleep(0.1)
    finally:
        await ledger.close()
