"""The whole relay with its ledger on a Redis Cluster: the node that REDIS_URL names dies, and the work goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from ledger.keys import cell_of
from tests.support.ledger_redis import CELLS
from tests.support.processes import Processes
from tests.support.redis_cluster import Cluster
from tests.support.relay import KEY, TOKEN, Relay


@pytest.fixture
async def relay(
    cluster: Cluster, redis_url: str, processes: Processes, free_port: Callable[[], int]
) -> AsyncIterator[Relay]:
    """A relay that knows the ledger's node and one more; its queue is elsewhere."""
    owner = cluster.owner_of(cell_of("default", CELLS))
    url = cluster.url(owner, next(port for port in cluster.primaries if port != owner))
    relay = Relay(processes, url, free_port, {"RELAY_QUEUE_URL": redis_url})
    await relay.start()
    yield relay
    await relay.stop()


async def test_the_named_node_dies_under_load(relay: Relay, cluster: Cluster) -> None:
    """Webhooks are acknowledged all the time, the replica takes over, every payment is told; and a process that starts
    now works, too."""
    await relay.endpoint(ordered=False)
    made = [await relay.payment_at_iamport(status="paid", amount=1000, merchant_uid=f"order_{n}") for n in range(60)]
    for number, row in enumerate(made):
        if number == 20:
            await asyncio.to_thread(cluster.nodes[cluster.owner_of(cell_of("default", CELLS))].kill)
        assert (await relay.webhook(row["imp_uid"])).status_code == 200
        await asyncio.sleep(0.05)  # so that webhooks come before, while and after the replica takes over

    def told() -> bool:
        return {row["imp_uid"] for row in made} <= {event["data"]["imp_uid"] for event in relay.subscriber.events}

    await relay.until(told, "all are told")

    await relay.worker.terminate()
    relay.worker = relay.start_worker()
    await relay.worker.logged("worker_ready")
    (imp_uid,) = await relay.play("card")
    await relay.until_received("paid", imp_uid=imp_uid)


async def test_a_cell_moves_under_load(relay: Relay, cluster: Cluster) -> None:
    """Webhooks are acknowledged while its keys are on two primaries, every payment is told once the cell is whole, and
    nothing is told twice."""
    await relay.endpoint(ordered=False)
    made = [await relay.payment_at_iamport(status="paid", amount=1000, merchant_uid=f"order_{n}") for n in range(60)]
    cell = cell_of("default", CELLS)
    moving: asyncio.Task[None] | None = None
    for number, row in enumerate(made):
        if number == 20:
            to = next(port for port in cluster.primaries if port != cluster.owner_of(cell))
            moving = asyncio.create_task(cluster.migrate(to, pause=0.01, cell=cell))
        assert (await relay.webhook(row["imp_uid"])).status_code == 200
        await asyncio.sleep(0.02)
    assert moving is not None
    await moving

    def told() -> bool:
        return {row["imp_uid"] for row in made} <= {event["data"]["imp_uid"] for event in relay.subscriber.events}

    await relay.until(told, "all are told")
    ids = {event["id"] for event in relay.subscriber.events if event["type"] == "payment.paid"}
    assert len(ids) == len(made)


@pytest.mark.parametrize("module", ["receiver", "workers", "console"])
async def test_a_queue_has_to_be_named(module: str, processes: Processes, free_port: Callable[[], int]) -> None:
    """Dramatiq's queue cannot be on a Cluster, so there is no address to guess: one line says so."""
    environ = {"RELAY_API_TOKEN": TOKEN, "RELAY_ENCRYPTION_KEY": KEY, "PORT": str(free_port())}
    process = processes.python(module, REDIS_URL="redis+cluster://127.0.0.1:7000,127.0.0.1:7001", **environ)
    assert await process.ended() == 1
    (line,) = process.lines
    assert line.startswith("RELAY_QUEUE_URL is not set")
