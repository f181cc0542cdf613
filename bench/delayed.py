"""A hundred thousand deliveries due in hours: their cost in a worker's memory, and in the delay of one due now."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
from redis.asyncio import Redis

from bench.figures import Figure, Report, percentile
from bench.machine import TIMEOUT, Machine
from bench.stubs import Arrivals, IamportStandIn, SubscriberStandIn, serve
from bench.systems import RelaySystem
from ledger.endpoint_rows import filters
from ledger.keys import cell_of, cell_prefix
from ledger.lua import composed

DELAYED = 100_000
BATCH = 500
LATER_MS = 6 * 3_600_000
PROBES = 40
SOON_MS = 1_000

_BODY = orjson.dumps({"type": "payment.paid", "data": {"imp_uid": "%s", "payment": {"name": "x" * 800}}})


async def run(machine: Machine, rounds: int, _seed: int) -> Report:
    """How late deliveries due in a second arrive, and the worker's memory, without and with the delayed ones."""
    before, after, memory = list[float](), list[float](), list[tuple[float, float]]()
    for _ in range(rounds):
        arrivals = Arrivals()
        api, iamport = await serve(IamportStandIn)
        port, subscriber = await serve(SubscriberStandIn, arrivals)
        relay = RelaySystem(machine)
        await relay.start(api, [f"http://127.0.0.1:{port}/"])
        redis = Redis.from_url(machine.redis_url)
        await _lateness(redis, arrivals, "warm_")
        before.append(percentile(await _lateness(redis, arrivals, "early_"), 95))
        rss = relay.processes["worker 0"].usage()[1]
        for first in range(0, DELAYED, BATCH):
            await _delay(redis, "late_", first, BATCH, LATER_MS)
        after.append(percentile(await _lateness(redis, arrivals, "soon_"), 95))
        memory.append((relay.processes["worker 0"].usage()[1] / 1e6, rss / 1e6))
        await redis.aclose()
        for server in (iamport, subscriber):
            server.close()
        machine.stop()
    grown, started = zip(*memory, strict=True)
    name = f"{DELAYED:,} delayed: one due in 1 s, late by, p95"
    return Report(
        "delayed",
        (
            Figure(name, "ms", tuple(after), tuple(before), "none delayed", more=False, limit=500),
            Figure("… worker memory", "MB", grown, started, "none delayed", more=False, mark=1.1),
        ),
    )


async def _lateness(redis: Redis, arrivals: Arrivals, name: str) -> list[float]:
    """How late, in ms, deliveries arrive that are each delayed by a second."""
    due: dict[str, float] = {}
    for number in range(PROBES):
        asked = time.perf_counter()
        await _delay(redis, name, number, 1, SOON_MS - number)
        due[f"{name}{number}"] = (asked + time.perf_counter()) / 2 + SOON_MS / 1000
        await asyncio.sleep(0.037)
    if not await arrivals.all_of({*arrivals.at, *due}, TIMEOUT):
        raise RuntimeError(f"{len(due.keys() & arrivals.at.keys())} of {PROBES} callbacks came in time")
    return [(arrivals.at[imp_uid] - at) * 1000 for imp_uid, at in due.items()]


async def _delay(redis: Redis, name: str, first: int, how_many: int, due_in_ms: int) -> None:
    script = composed(Path(__file__).with_name("delay.lua").read_text())
    arguments: list[Any] = ["default", name, first, how_many, due_in_ms, _BODY, filters("payment.paid")]
    await redis.execute_command("EVAL", script, 1, cell_prefix(cell_of("default", 16)), *arguments)
