"""A fixed virtual account with many deposits, through real processes that are killed at a bad moment."""

from __future__ import annotations

import time

from tests.support.ledger_state import ledger_state
from tests.support.relay import Relay
from tests.support.waiting import until

DEPOSITS = 900


async def test_a_worker_killed_between_two_steps_of_a_commit(relay: Relay) -> None:
    """Another one goes on: each deposit is one event, in sequence, and the subscriber hears of each once at least."""
    await relay.endpoint(payload="thin", ordered=False)
    now = int(time.time())
    rows = [
        {"pg_tid": f"d{n:04}", "amount": 1000 + n, "depositor_name": "Hong Gildong", "deposited_at": now - 1}
        for n in range(DEPOSITS)
    ]
    await relay.payment_at_iamport(
        imp_uid="imp_1", status="paid", paid_at=now, amount=0, pay_method="vbank", deposit_history=rows
    )
    await relay.webhook("imp_1")
    async with ledger_state(relay.environ["REDIS_URL"]) as state:

        async def all_written() -> bool:
            return await state.sequence("imp_1") >= DEPOSITS

        await until(lambda: state.sequence("imp_1"), "the first step is written", every=0.002)
        await relay.worker.kill()
        assert not await all_written()
        relay.start_worker()
        await until(all_written, "the rest is written")
    listed = await relay.list_all("/v1/events", imp_uid="imp_1")
    assert [row["data"]["sequence"] for row in listed] == list(range(DEPOSITS, 0, -1))
    assert len({row["id"] for row in listed}) == DEPOSITS
    await relay.until(lambda: _heard(relay, {row["id"] for row in listed}), "all of it is heard")


async def _heard(relay: Relay, ids: set[str]) -> bool:
    return {request.headers["webhook-id"] for request in relay.subscriber.requests} == ids
