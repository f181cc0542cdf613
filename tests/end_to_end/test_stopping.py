"""A worker that is asked to stop: what is under way ends; what cannot end is somebody else's at once."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.ledger_state import ledger_state
from tests.support.processes import Process, Processes
from tests.support.proxies import RedisProxy
from tests.support.redis_process import RedisServer
from tests.support.relay import KEY, Relay
from tests.support.relay_fixtures import StartRelay

_HURRIED = """
import sys
from workers import app
from workers.__main__ import main
app.FINISH_WITHIN, app.STOP_WITHIN = map(float, sys.argv[1:])
sys.exit(main())
"""


async def hurried(relay: Relay, processes: Processes, finish_within: float, stop_within: float) -> Process:
    """Replace the worker by one that has less time for stopping."""
    assert await relay.worker.terminate() == 0
    command = [sys.executable, "-c", _HURRIED, str(finish_within), str(stop_within)]
    relay.worker = processes.run("workers", command, **relay.environ)
    await relay.worker.logged("worker_ready")
    return relay.worker


async def leased(relay: Relay) -> list[str]:
    """The lanes in which something is leased."""
    async with ledger_state(relay.environ["REDIS_URL"]) as state:
        return await state.leased_lanes()


async def hears(relay: Relay, seconds: float) -> dict[str, Any]:
    """Have an event sent to a subscriber that takes so long, and wait until the callback is under way."""
    relay.subscriber.reply = lambda _count: (200, seconds)
    endpoint = await relay.endpoint()
    await relay.payment_at_iamport(imp_uid="imp_told", status="paid", paid_at=1_900_000_000, amount=1004)
    assert (await relay.webhook("imp_told")).status_code == 200
    await relay.until(lambda: relay.subscriber.requests, "the callback is under way")
    return endpoint


async def delivery(relay: Relay) -> dict[str, Any]:
    """The only delivery."""
    (row,) = (await relay.api.get("/v1/deliveries")).json()["data"]
    found: dict[str, Any] = row
    return found


async def test_a_callback_under_way_is_finished(start_relay: StartRelay) -> None:
    """The worker waits for its answer and records it, so it is not sent a second time."""
    relay = await start_relay()
    await hears(relay, 2)
    assert await relay.worker.terminate() == 0
    assert relay.worker.logs("worker_stopped")
    settled = await delivery(relay)
    assert (settled["state"], len(settled["attempts"])) == ("delivered", 1)
    assert await leased(relay) == []
    assert len(relay.subscriber.requests) == 1


async def test_a_look_under_way_is_finished(start_relay: StartRelay) -> None:
    """What i'mport answers late is still written: it need not be asked again."""
    relay = await start_relay()
    await relay.payment_at_iamport(imp_uid="imp_slow", status="paid", paid_at=1_900_000_000, amount=1004)
    (await relay.sandbox.post("/_sandbox/faults", json={"slow": 2, "paths": ["/payments"]})).raise_for_status()
    assert (await relay.webhook("imp_slow")).status_code == 200

    async def asked() -> bool:
        return await leased(relay) == ["refresh/default"]

    await relay.until(asked, "i'mport is being asked")
    assert await relay.worker.terminate() == 0
    assert (await relay.payment("imp_slow"))["status"] == "paid"
    assert await leased(relay) == []


async def test_what_a_commit_under_way_claims_is_finished(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """The worker is asked to stop while the answer to its commit is under way, with a delivery that it has claimed."""
    relay = Relay(processes, own_redis.url, free_port, {})
    await relay.start()
    assert await relay.worker.terminate() == 0
    async with ledger_state(own_redis.url) as state:
        await state.redis.script_flush()  # the next worker's scripts come by the proxy, which then knows them
    relay.subscriber.reply = lambda _count: (200, 1)
    endpoint = await relay.endpoint()
    await relay.payment_at_iamport(imp_uid="imp_1", status="paid", paid_at=1_900_000_000, amount=1004)
    async with RedisProxy(own_redis.port) as proxy:
        relay.worker = relay.start_worker(REDIS_URL=proxy.url)
        await relay.worker.logged("worker_ready")
        proxy.holds_up = lambda command: proxy.runs(command, "commit")
        assert (await relay.webhook("imp_1")).status_code == 200

        async def claimed() -> bool:
            return f"deliver/{endpoint['id']}" in await leased(relay)

        await relay.until(claimed, "the delivery is claimed")
        assert relay.subscriber.requests == []
        relay.worker.signal(signal.SIGTERM)
        await relay.worker.logged("worker_stopping")
        proxy.let_go.set()
        assert await relay.worker.ended() == 0
    settled = await delivery(relay)
    assert (settled["state"], len(settled["attempts"])) == ("delivered", 1)
    assert await leased(relay) == []
    assert len(relay.subscriber.requests) == 1
    await relay.stop()


async def test_what_hangs_is_given_back(start_relay: StartRelay, processes: Processes) -> None:
    """A callback and a refresh that do not end in time are released, so other workers claim them at once."""
    relay = await start_relay()
    worker = await hurried(relay, processes, 0.5, 30)
    endpoint = await hears(relay, 60)
    (await relay.sandbox.post("/_sandbox/faults", json={"timeout": True, "paths": ["/payments"]})).raise_for_status()
    assert (await relay.webhook("imp_asked")).status_code == 200

    async def both() -> bool:
        return len(await leased(relay)) == 2

    await relay.until(both, "the look is under way, too")
    assert await worker.terminate() == 0
    assert worker.logs("worker_stopped")
    assert await leased(relay) == []
    async with ledger_state(relay.environ["REDIS_URL"]) as state:
        assert {f"deliver/{endpoint['id']}", "refresh/default"} <= set(await state.due_lanes())
    assert (await delivery(relay))["state"] == "pending"


async def test_nothing_keeps_a_worker_beyond_its_deadline(start_relay: StartRelay, processes: Processes) -> None:
    """It ends before its supervisor would kill it, and says that it was late."""
    relay = await start_relay()
    worker = await hurried(relay, processes, 600, 3)
    await hears(relay, 60)
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
