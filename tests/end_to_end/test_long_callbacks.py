"""A callback that takes longer than a lease lasts stays with the worker that sends it."""

from __future__ import annotations

import sys

from tests.support.processes import Processes
from tests.support.relay_fixtures import StartRelay

_SHORT_LEASES = """
import sys
from ledger import delivery_lane, leases
from workers.__main__ import main
delivery_lane.LEASE_MS = leases.LEASE_MS = 3000
leases.RENEW_EVERY = 0.3
sys.exit(main())
"""


async def test_a_callback_that_outlives_its_lease_is_sent_once(start_relay: StartRelay, processes: Processes) -> None:
    """Its worker says that it lives on, so nobody else takes it, however long the subscriber needs."""
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
