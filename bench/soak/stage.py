"""All that a relay in service has around it: real Redis, PostgreSQL and Prometheus, and a collector of traces."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.full_histories import NO_POSTGRES, postgres
from bench.machine import BenchProcess, Machine, free_port, wait_until
from bench.soak.stand_ins import ListingIamport, Payments
from bench.soak.times import Times
from bench.stubs import Arrivals, SubscriberStandIn, serve
from bench.systems import RelaySystem
from tests.support import prometheus
from tests.support.otlp_collector import Collector
from tests.support.postgres import Postgres
from tests.support.prometheus import Prometheus

WORKERS = 2
TOKEN = "a-token-that-only-soak-runs-use"
MAXMEMORY = "256mb"
EXPORT_DELAY = 1.0
"""Seconds for which spans wait in a process before they are exported."""
SETTINGS = {
    "RELAY_API_TOKEN": f"soak:{TOKEN}",
    # As much leaves Redis as comes, from the second minute on: as after two days with the default.
    "RELAY_LEDGER_RETENTION": "1m",
    "RELAY_RECONCILE_EVERY": "2m",
    "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
    "OTEL_BSP_SCHEDULE_DELAY": f"{EXPORT_DELAY * 1000:.0f}",
}


class Missing(Exception):
    """Something that the run needs is not installed; the text names it."""


@dataclass(frozen=True)
class Stage:
    """What runs. `console` is a URL; `arrivals` are the subscriber's callbacks."""

    machine: Machine
    relay: RelaySystem
    database: Postgres
    history_url: str
    watcher: Prometheus
    watcher_pid: int
    console: str
    arrivals: Arrivals
    collector: Collector


@asynccontextmanager
async def staged(machine: Machine, times: Times) -> AsyncIterator[Stage]:
    """Everything started and ready; ended afterwards. Raises `Missing`."""
    program = shutil.which("prometheus")
    if program is None:
        raise Missing("Prometheus is not installed: apt-get install prometheus")
    arrivals = Arrivals()
    with postgres() as database:
        if database is None:
            raise Missing(NO_POSTGRES)
        history_url = database.create("soak")
        api, iamport = await serve(partial(ListingIamport, Payments()))
        port, subscriber = await serve(SubscriberStandIn, arrivals)
        async with Collector() as collector:
            settings = SETTINGS | {"OTEL_TRACES_SAMPLER_ARG": str(times.traced)}
            settings |= {"RELAY_HISTORY_URL": history_url, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
            relay = RelaySystem(machine, settings, workers=WORKERS)
            await relay.start(api, [f"http://127.0.0.1:{port}/0"])
            console = relay.start_console()
            watcher, process = _watcher(machine, program, relay, console, quick=times.quick)
            await watcher.ready()
            yield Stage(
                machine, relay, database, history_url, watcher, process.pid, f"http://127.0.0.1:{console}", arrivals,
                collector,
            )  # fmt: skip
            await watcher.client.aclose()
            machine.stop()
            await collector.left()
        for server in (iamport, subscriber):
            server.close()


def _watcher(
    machine: Machine, program: str, relay: RelaySystem, console: int, *, quick: bool
) -> tuple[Prometheus, BenchProcess]:
    """A Prometheus that scrapes all processes of the relay."""
    workers = [process for name, process in relay.processes.items() if name.startswith("worker")]
    targets = {
        "receiver": [f"127.0.0.1:{relay.port}"],
        "console": [f"127.0.0.1:{console}"],
        "worker": [f"127.0.0.1:{_logged(worker, 'metrics_served')['port']}" for worker in workers],
    }
    directory, port = machine.folder / "prometheus", free_port()
    prometheus.configure(directory, targets, TOKEN, quick=quick)
    process = machine.run("prometheus", *prometheus.command(program, directory, port))
    return Prometheus(port, lambda: process.output.read_text(errors="replace")[-2000:]), process


def _logged(process: BenchProcess, event: str) -> dict[str, Any]:
    """The first line of its log about this, once there is one."""
    wait_until(lambda: process.has_printed(f'"{event}"'), f"it logs {event}")
    lines = (line for line in process.output.read_text(errors="replace").splitlines() if f'"{event}"' in line)
    found: dict[str, Any] = json.loads(next(lines))
    return found
