"""A fixed virtual account with many deposits, through real processes that are killed at a bad moment."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.ledger_state import ledger_state
from tests.support.processes import Processes
from tests.support.proxies import Command, RedisProxy
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay
from tests.support.waiting import until

DEPOSITS = 900


@pytest.fixture
async def way(own_redis: RedisServer) -> AsyncIterator[RedisProxy]:
    """The relay's way to its Redis."""
    async with RedisProxy(own_redis.port) as way:
        yield way


@pytest.fixture
async def relay(
    way: RedisProxy, own_redis: RedisServer, processes: Processes, free_port: Callable[[], int]
) -> AsyncIterator[Relay]:
    """A relay whose ledger is behind that; its queue is not."""
    relay = Relay(processes, way.url, free_port, {"RELAY_QUEUE_URL": own_redis.queue_url})
    await relay.start()
    yield relay
    await relay.stop()


async def test_a_worker_killed_between_two_steps_of_a_commit(
    relay: Relay, way: RedisProxy, own_redis: RedisServer
) -> None:
    """Another one goes on: each deposit is one event, in sequence, and the subscriber hears of each once at least."""
    commits = 0

    def die(command: Command) -> str | None:
        nonlocal commits
        commits += way.runs(command, "commit")
        if commits < 2:
            return None
        relay.worker.clean_up()
        return "ERR nobody reads this"

    way.refuse = die
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
    async with ledger_state(own_redis.url) as state:

        async def all_written() -> bool:
            return await state.sequence("imp_1") >= DEPOSITS

        await relay.worker.ended()
        way.heal()
        assert 0 < await state.sequence("imp_1") < DEPOSITS
        relay.start_worker()
        await until(all_written, "the rest is written")
    listed = await relay.list_all("/v1/events", imp_uid="imp_1")
    assert [row["data"]["sequence"] for row in listed] == list(range(DEPOSITS, 0, -1))
    assert len({row["id"] for row in listed}) == DEPOSITS
    await relay.until(lambda: _heard(relay, {row["id"] for row in listed}), "all of it is heard")


async def _heard(relay: Relay, ids: set[str]) -> bool:
    return {request.headers["webhook-id"] for request in relay.subscriber.requests} == ids
