"""A callback that takes longer than a lease lasts stays with the worker that sends it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from tests.support.processes import Processes
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay
from tests.support.relay_fixtures import StartRelay

_SHORT_LEASES = """
import sys
from ledger import delivery_lane, leases
delivery_lane.LEASE_MS = leases.LEASE_MS = 3000
leases.RENEW_EVERY = 0.3
from workers.__main__ import main  # only now, as it copies what was set
sys.exit(main())
"""


async def test_a_callback_that_outlives_its_lease_is_sent_once(start_relay: StartRelay, processes: Processes) -> None:
    """Its worker renews the lease, so no other worker claims it, however long the subscriber needs."""
    relay = await start_relay()
    assert await relay.worker.terminate() == 0
    workers = [processes.run("workers", [sys.executable, "-c", _SHORT_LEASES], **relay.environ) for _ in range(2)]
    for worker in workers:
        await worker.logged("worker_ready")
    relay.subscriber.reply = lambda _count: (200, 7)
    await relay.endpoint()
    await relay.payment_at_iamport(imp_uid="imp_1", status="paid", paid_at=1_900_000_000, amount=1004)
    assert (await relay.webhook("imp_1")).status_code == 200

    async def delivered() -> bool:
        return bool((await relay.api.get("/v1/deliveries", params={"state": "delivered"})).json()["data"])

    await relay.until(delivered, "the callback is answered")
    assert len(relay.subscriber.requests) == 1


async def test_a_callback_that_outlives_an_outage_of_redis_is_sent_once(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """Its lease ends while Redis is away and no worker can renew it. Its worker renews it before any other one takes
    it up, whichever of them is the first to be back."""
    relay = Relay(processes, own_redis.url, free_port, {"RELAY_DELIVERY_TIMEOUT": "40s"})
    await relay.start()
    await relay.start_worker().logged("worker_ready")
    subscribers = [await relay.subscribe() for _ in range(6)]
    for subscriber in subscribers:
        subscriber.reply = lambda _count: (200, 14)
    await relay.paid()

    await relay.until(lambda: all(subscriber.requests for subscriber in subscribers), "all are called")
    own_redis.kill()
    await asyncio.sleep(11)
    own_redis.start()

    async def delivered() -> bool:
        rows = (await relay.api.get("/v1/deliveries", params={"state": "delivered"})).json()["data"]
        return len(rows) == len(subscribers)

    await relay.until(delivered, "every callback is answered", within=60)
    assert [len(subscriber.requests) for subscriber in subscribers] == [1] * len(subscribers)
    await relay.stop()
