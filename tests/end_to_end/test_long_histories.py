"""A fixed virtual account with many deposits, through real processes that are killed at a bad moment."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from redis.asyncio import Redis

from ledger.keys import key
from schemas import wire
from tests.end_to_end.conftest import StartStack
from tests.support.processes import PATIENCE
from tests.support.stack import Stack

DEPOSITS = 900


async def test_a_worker_killed_between_two_steps_of_a_commit(start_stack: StartStack) -> None:
    """Another one goes on: each deposit is one event, in sequence, and the subscriber hears of each once at least."""
    stack = await start_stack()
    await stack.endpoint(payload="thin", ordered=False)
    now = int(time.time())
    rows = [
        {"pg_tid": f"d{n:04}", "amount": 1000 + n, "depositor_name": "Hong Gildong", "deposited_at": now - 1}
        for n in range(DEPOSITS)
    ]
    await stack.payment_at_iamport(
        imp_uid="imp_1", status="paid", paid_at=now, amount=0, pay_method="vbank", deposit_history=rows
    )
    await stack.webhook("imp_1")
    async with Redis.from_url(stack.environ["REDIS_URL"]) as redis, asyncio.timeout(PATIENCE):
        while not await _written(redis):  # noqa: ASYNC110  # what another process writes
            await asyncio.sleep(0.002)
        await stack.worker.kill()
        assert await _written(redis) < DEPOSITS
        stack.start_worker()
        while await _written(redis) < DEPOSITS:  # noqa: ASYNC110  # what another process writes
            await asyncio.sleep(0.05)
    listed = await _all(stack, "/v1/events", imp_uid="imp_1")
    assert [row["data"]["sequence"] for row in listed] == list(range(DEPOSITS, 0, -1))
    assert len({row["id"] for row in listed}) == DEPOSITS
    await stack.until(lambda: _heard(stack, {row["id"] for row in listed}), "all of it is heard")


async def _written(redis: Redis) -> int:
    """The sequence that the payment has come to."""
    return int(await redis.hget(key("pay", "default/imp_1"), "sequence") or 0)


async def _heard(stack: Stack, ids: set[str]) -> bool:
    return {headers["webhook-id"] for headers, _ in stack.heard.requests} == ids


async def _all(stack: Stack, path: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    query |= {"limit": 200}
    while query.get("cursor", "") is not None:
        page = wire.loads((await stack.api.get(path, params=query)).content)
        rows += page["data"]
        query["cursor"] = page["next_cursor"]
    return rows
