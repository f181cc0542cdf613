"""The run itself: steady load, then Redis away, then Redis back, all under the same load."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from bench.machine import TIMEOUT, tree_usage
from bench.running import recorded
from bench.soak.alert_watch import AlertWatch
from bench.soak.kept import kept
from bench.soak.load import Load
from bench.soak.memory import growth, readers, sample
from bench.soak.outcome import EXPECTED, Outcome, stories, waits
from bench.soak.screens import Photographer
from bench.soak.stage import EXPORT_DELAY, Stage
from bench.soak.times import Times
from tests.support.waiting import until


async def play(stage: Stage, times: Times, seed: int, photographer: Photographer) -> Outcome:
    """Play it. Raises what a process that has ended, or a connection that broke, raises."""
    load, began = Load(stage.relay.port, times.per_second, seed), time.time()
    async with AlertWatch(stage.watcher, times.sample_every, times.unreliable) as watch, load.going_on():
        await _at_peace(stage, watch, times)
        first, before, part = time.perf_counter(), _cpu(stage), len(load.sent)
        _say(f"steady load for {times.steady:.0f} s")
        samples = await sample(readers(stage), times.sample_every, times.steady)
        last, used = time.perf_counter(), _cpu(stage)
        steady = load.sent[part:]
        await photographer.healthy(stage)
        async with _without_redis(stage, times) as stopped:
            _say("Redis is stopped")
            await watch.until(lambda look: look.firing >= EXPECTED, times.patience)
            await photographer.without_redis(stage)
            spooled = await _spooled(stage)
        returned = time.perf_counter()
        _say("Redis is back")
        await watch.until(lambda look: look.at > returned and not look.names, times.patience)
        await asyncio.sleep(times.after)
    _say("waiting for what was sent last")
    await stage.arrivals.all_of({f"/0 {one}" for one in load.imp_uids}, 4 * TIMEOUT)
    await recorded(stage.relay)
    await asyncio.sleep(2 * EXPORT_DELAY)
    return Outcome(
        began=began,
        ended=time.time(),
        memory=[growth(name, found, times.per_second) for name, found in samples.items()],
        cpu={name: (used[name] - before[name]) / (last - first) for name in used},
        steady=waits(stage.arrivals, steady),
        alerts_in_peace=frozenset().union(*(look.names for look in watch.between(first, stopped))),
        away_for=returned - stopped,
        alerts=stories(watch.between(stopped, time.perf_counter()), stopped, returned),
        spooled=spooled,
        kept=await kept(stage, load),
    )


async def _at_peace(stage: Stage, watch: AlertWatch, times: Times) -> None:
    """Wait until all processes are scraped and no alert is pending, as those are that miss data at the start."""
    _say("waiting for Prometheus")
    processes = len(stage.relay.processes)

    async def all_up() -> bool:
        return len(await stage.watcher.query("up == 1")) == processes

    await until(all_up, "all processes are scraped", times.patience, every=times.sample_every)
    asked = time.perf_counter()
    if not await watch.until(lambda look: look.at > asked and not look.names, times.patience):
        raise RuntimeError(f"alerts at the start: {sorted(watch.looks[-1].names)}")


@asynccontextmanager
async def _without_redis(stage: Stage, times: Times) -> AsyncIterator[float]:
    """Redis is away while this lasts, and for so long at least; the moment at which it was stopped."""
    stopped = time.perf_counter()
    await asyncio.to_thread(stage.machine.stop_redis)
    try:
        yield stopped
        await asyncio.sleep(max(0.0, stopped + times.away - time.perf_counter()))
    finally:
        await asyncio.to_thread(stage.machine.start_redis)


async def _spooled(stage: Stage) -> float:
    found = await stage.watcher.query("sum(relay_spool_waiting)")
    return float(found[0]["value"][1]) if found else 0.0


def _cpu(stage: Stage) -> Mapping[str, float]:
    """Seconds that each process has used so far."""
    relay = {name: process.usage()[0] for name, process in stage.relay.processes.items()}
    return {**relay, "Redis": stage.machine.redis_cpu(), "PostgreSQL": tree_usage(stage.database.pid)[0]}


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
