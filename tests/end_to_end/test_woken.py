"""Workers are woken, not polling; batches form while a look-up is under way."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from tests.support.iamport_stub import Asked, Stub, payment, token_answer, well
from tests.support.ledger_state import ledger_state
from tests.support.processes import Processes
from tests.support.relay import Relay
from tests.support.relay_fixtures import StartRelay
from tests.support.waiting import PATIENCE

_RESTED = """
import sys
from ledger import sweep
from workers.__main__ import main
sweep.SWEEP_REST = 600.0
sys.exit(main())
"""
IDLE = 6.0
"""Seconds of silence in which commands are counted: two rests of the sweep."""


@pytest.fixture
async def i_mport() -> AsyncIterator[Stub]:
    """An i'mport in which whatever is asked for has been paid."""

    def paid(asked: Asked) -> bytes:
        return well([payment(imp_uid, paid_at=int(time.time())) for imp_uid in asked.imp_uids])

    async with Stub(paid) as stub:
        stub.token = lambda: token_answer("token", now=int(time.time()))
        yield stub


@pytest.fixture
async def relay(start_relay: StartRelay, one_redis: dict[str, str], i_mport: Stub) -> Relay:
    """A relay of two workers at this i'mport, with an endpoint."""
    relay = await start_relay(**one_redis, IMP_API_URL=i_mport.url)
    other = relay.start_worker()
    await other.logged("worker_ready")
    await relay.endpoint()
    await relay.webhook("imp_first")
    await relay.until_received("paid", imp_uid="imp_first")
    return relay


async def commands(redis_url: str) -> dict[str, int]:
    """How often Redis has carried out each command so far, inside of scripts and outside."""
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        found: dict[str, Any] = await client.info("commandstats")
    return {name.removeprefix("cmdstat_"): row["calls"] for name, row in found.items()}


async def test_idle_workers_leave_redis_alone(relay: Relay, redis_url: str) -> None:
    """Nothing asks every few milliseconds whether there is work."""
    for process in (relay.receiver, relay.console):
        await process.terminate()
    await asyncio.sleep(6)  # until leases and flags have ended
    before = await commands(redis_url)
    await asyncio.sleep(IDLE)
    now = await commands(redis_url)
    made = {name: calls - before.get(name, 0) for name, calls in now.items() if calls > before.get(name, 0)}
    assert sum(made.values()) <= 20 * IDLE, made


async def test_what_is_due_soon_wakes_the_sweep(
    start_relay: StartRelay, one_redis: dict[str, str], i_mport: Stub, processes: Processes
) -> None:
    """A callback is tried again when it is due, though the sweep rests for longer than anybody waits for that."""
    relay = await start_relay(
        **one_redis, IMP_API_URL=i_mport.url, RELAY_RETRY_SCHEDULE="2s", RELAY_RECONCILE_EVERY="0s"
    )
    await relay.endpoint()
    assert await relay.worker.terminate() == 0
    async with ledger_state(relay.environ["REDIS_URL"]) as state:
        await state.forget_sweep()
        relay.worker = processes.run("workers", [sys.executable, "-c", _RESTED], **relay.environ)

        async def rests() -> bool:
            return await state.sweeps_at() > time.time() + PATIENCE / 2

        await relay.until(rests, "the sweep has found nothing, and rests")
    relay.subscriber.reply = lambda count: (500 if count == 1 else 200, 0)
    await relay.webhook("imp_again")
    # No cell rests for longer than a minute.
    await relay.until_received("paid", "paid", imp_uid="imp_again", within=PATIENCE / 2)


async def test_what_gathers_meanwhile_is_the_next_batch(relay: Relay, i_mport: Stub) -> None:
    """At an i'mport that takes a tenth of a second, 200 webhooks a second are a look-up for ten payments at most; where
    this machine needs longer for them, one look-up is under way at a time."""
    i_mport.delay = 0.1
    count, asked = 400, len(i_mport.calls)
    began, webhooks = time.monotonic(), []
    for n in range(count):
        await asyncio.sleep(max(0, began + n / 200 - time.monotonic()))
        webhooks.append(asyncio.create_task(relay.webhook(f"imp_{n}")))
    await asyncio.gather(*webhooks)
    await relay.until(lambda: len(relay.subscriber.requests) > count, "all are told")
    assert len(i_mport.calls) - asked <= max(count / 10, (time.monotonic() - began) / i_mport.delay + 1)


async def test_a_quick_i_mport_keeps_nobody_waiting(relay: Relay, i_mport: Stub) -> None:
    """A webhook that comes alone is looked up alone."""
    asked = len(i_mport.calls)
    for n in range(20):
        await relay.webhook(f"imp_{n}")
        await relay.until_received("paid", imp_uid=f"imp_{n}")
    assert [call.imp_uids for call in i_mport.calls[asked:]] == [[f"imp_{n}"] for n in range(20)]
