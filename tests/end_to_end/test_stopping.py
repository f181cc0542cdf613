"""A worker that is asked to stop: what is under way ends; what cannot end is somebody else's at once."""

from __future__ import annotations

import signal
import sys
from typing import Any

import pytest
import redis.asyncio

from tests.end_to_end.conftest import StartStack
from tests.support.processes import Process, Processes
from tests.support.redis_process import RedisServer
from tests.support.stack import KEY, Stack

_HURRIED = """
import sys
from workers import app
from workers.__main__ import main
app.FINISH_WITHIN, app.STOP_WITHIN = map(float, sys.argv[1:])
sys.exit(main())
"""


async def hurried(stack: Stack, processes: Processes, finish_within: float, stop_within: float) -> Process:
    """Replace the worker by one that has less time for stopping."""
    assert await stack.worker.terminate() == 0
    command = [sys.executable, "-c", _HURRIED, str(finish_within), str(stop_within)]
    stack.worker = processes.run("workers", command, **stack.environ)
    await stack.worker.logged("worker_ready")
    return stack.worker


async def keys(redis_url: str, pattern: str) -> list[str]:
    """The keys of this pattern."""
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        return sorted([name async for name in client.scan_iter(pattern)])


async def hears(stack: Stack, seconds: float) -> dict[str, Any]:
    """Have a payment told of to a subscriber that takes so long, and wait until it is being told."""
    stack.heard.answer = lambda _count: (200, seconds)
    endpoint = await stack.endpoint()
    await stack.payment_at_iamport(imp_uid="imp_told", status="paid", paid_at=1_900_000_000, amount=1004)
    assert (await stack.webhook("imp_told")).status_code == 200
    await stack.until(lambda: stack.heard.requests, "the callback is under way")
    return endpoint


async def delivery(stack: Stack) -> dict[str, Any]:
    """The only delivery."""
    (row,) = (await stack.api.get("/v1/deliveries")).json()["data"]
    found: dict[str, Any] = row
    return found


async def test_a_callback_under_way_is_finished(start_stack: StartStack, redis_url: str) -> None:
    """Its answer is waited for and noted, so nobody sends it a second time."""
    stack = await start_stack()
    await hears(stack, 2)
    assert await stack.worker.terminate() == 0
    assert stack.worker.logs("worker_stopped")
    settled = await delivery(stack)
    assert (settled["state"], len(settled["attempts"])) == ("delivered", 1)
    assert await keys(redis_url, "{relay}:leased:*") == []
    assert len(stack.heard.requests) == 1


async def test_a_look_under_way_is_finished(start_stack: StartStack, redis_url: str) -> None:
    """What i'mport answers late is still written: it need not be asked again."""
    stack = await start_stack()
    await stack.payment_at_iamport(imp_uid="imp_slow", status="paid", paid_at=1_900_000_000, amount=1004)
    (await stack.sandbox.post("/_sandbox/faults", json={"slow": 2, "paths": ["/payments"]})).raise_for_status()
    assert (await stack.webhook("imp_slow")).status_code == 200

    async def asked() -> bool:
        return bool(await keys(redis_url, "{relay}:leased:refresh/*"))

    await stack.until(asked, "i'mport is being asked")
    assert await stack.worker.terminate() == 0
    assert (await stack.payment("imp_slow"))["status"] == "paid"
    assert await keys(redis_url, "{relay}:leased:*") == []


async def test_what_hangs_is_given_back(start_stack: StartStack, processes: Processes, redis_url: str) -> None:
    """A callback and a look that do not end in time are due for others, who need not wait for any lease to end."""
    stack = await start_stack()
    worker = await hurried(stack, processes, 0.5, 30)
    endpoint = await hears(stack, 60)
    (await stack.sandbox.post("/_sandbox/faults", json={"timeout": True, "paths": ["/payments"]})).raise_for_status()
    assert (await stack.webhook("imp_asked")).status_code == 200

    async def both() -> bool:
        return len(await keys(redis_url, "{relay}:leased:*")) == 2

    await stack.until(both, "the look is under way, too")
    assert await worker.terminate() == 0
    assert worker.logs("worker_stopped")
    assert await keys(redis_url, "{relay}:leased:*") == []
    assert {f"{{relay}}:due:deliver/{endpoint['id']}", "{relay}:due:refresh/default"} <= set(
        await keys(redis_url, "{relay}:due:*")
    )
    assert (await delivery(stack))["state"] == "pending"


async def test_nothing_keeps_a_worker_beyond_its_deadline(start_stack: StartStack, processes: Processes) -> None:
    """It ends before its supervisor would kill it, and says that it was late."""
    stack = await start_stack()
    worker = await hurried(stack, processes, 600, 3)
    await hears(stack, 60)
    assert await worker.terminate() == 0
    assert worker.logs("worker_stopped_late")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_worker_stops_while_redis_hangs(
    processes: Processes, own_redis: RedisServer, number: signal.Signals
) -> None:
    """A Redis that does not answer holds up no stop."""
    worker = processes.python("workers", REDIS_URL=own_redis.url, RELAY_ENCRYPTION_KEY=KEY)
    await worker.logged("worker_ready")
    own_redis.pause()
    worker.signal(number)
    assert await worker.ended() == 0
    assert worker.logs("worker_stopped")
