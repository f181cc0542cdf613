"""`python -m workers` with several processes, as it runs where nobody says how many."""

from __future__ import annotations

import signal
from typing import Any

import psutil
import pytest
from cryptography.fernet import Fernet

from runtime.machine import usable_cores
from tests.support.processes import Process, Processes
from tests.support.relay import KEY, Relay
from tests.support.relay_fixtures import StartRelay
from tests.support.waiting import until


async def children(parent: Process, count: int) -> list[psutil.Process]:
    """Its children, once so many have said in all that they are ready."""
    await until(lambda: len(parent.logs("worker_ready")) >= count, lambda: f"{count} are ready:\n{parent.output}")
    return psutil.Process(parent.pid).children()


async def reported(relay: Relay) -> dict[int, str]:
    """The state of each worker that the console knows, by its process id."""
    rows: list[dict[str, Any]] = (await relay.api.get("/v1/stats")).json()["workers"]
    return {int(row["name"].split("-")[-2]): row["state"] for row in rows}


async def test_a_killed_process_is_replaced_and_work_goes_on(start_relay: StartRelay) -> None:
    """Each process has a heartbeat of its own; what a killed one had under way, another does."""
    relay = await start_relay(RELAY_WORKERS="2")
    first, second = await children(relay.worker, 2)
    await relay.endpoint()
    await relay.paid(imp_uid="imp_before")
    await relay.until_received("paid", imp_uid="imp_before")

    async def both_report() -> bool:
        return await reported(relay) == {first.pid: "running", second.pid: "running"}

    await relay.until(both_report, "both report")
    first.kill()
    await relay.paid(imp_uid="imp_meanwhile")
    await relay.until_received("paid", imp_uid="imp_meanwhile")
    assert (await relay.worker.logged("process_died"))["pid"] == first.pid
    (third,) = {process.pid for process in await children(relay.worker, 3)} - {second.pid}

    async def all_report() -> bool:
        found = await reported(relay)
        return found.get(third) == found.get(second.pid) == "running"

    await relay.until(all_report, "the replacement reports")
    second.kill()
    await relay.paid(imp_uid="imp_after")
    await relay.until_received("paid", imp_uid="imp_after")
    await children(relay.worker, 4)

    assert await relay.worker.terminate() == 0
    assert len(relay.worker.logs("worker_stopped")) == 2
    assert set(await reported(relay)) <= {first.pid, second.pid}


async def test_a_killed_parent_leaves_no_worker(start_relay: StartRelay) -> None:
    """They finish what is under way and sign off."""
    relay = await start_relay(RELAY_WORKERS="2")
    workers = await children(relay.worker, 2)
    relay.worker.signal(signal.SIGKILL)
    await until(lambda: not any(worker.is_running() for worker in workers), lambda: "they end")
    await relay.worker.ended()
    assert len(relay.worker.logs("worker_stopped")) == 2
    assert await reported(relay) == {}


async def test_there_are_as_many_as_cores_unless_it_is_said(processes: Processes, redis_url: str) -> None:
    """A blank setting counts as not set."""
    parent = processes.python("workers", REDIS_URL=redis_url, RELAY_ENCRYPTION_KEY=KEY, RELAY_WORKERS="")
    await children(parent, usable_cores())
    assert await parent.terminate() == 0
    assert len(parent.logs("worker_stopped")) == usable_cores()


async def test_one_has_no_parent(processes: Processes, redis_url: str) -> None:
    """The process works itself."""
    worker = processes.python("workers", REDIS_URL=redis_url, RELAY_ENCRYPTION_KEY=KEY, RELAY_WORKERS="1")
    assert await children(worker, 1) == []
    assert await worker.terminate() == 0


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"RELAY_WORKERS": "many"}, "RELAY_WORKERS=many is not usable: it takes a number of processes, 1 to 256"),
        ({"RELAY_ENCRYPTION_KEY": ""}, "RELAY_ENCRYPTION_KEY is not set"),
        ({"RELAY_ENCRYPTION_KEY": Fernet.generate_key().decode()}, "RELAY_ENCRYPTION_KEY"),
    ],
)
async def test_a_wrong_setting_ends_all_with_one_line(
    processes: Processes, redis_url: str, environ: dict[str, str], text: str
) -> None:
    """Whether the parent finds it, or each of the others: as with a single process."""
    usual = {"REDIS_URL": redis_url, "RELAY_ENCRYPTION_KEY": KEY, "RELAY_WORKERS": "3"}
    right = processes.python("workers", **usual | {"RELAY_WORKERS": "1"})
    await right.logged("worker_ready")
    wrong = processes.python("workers", RELAY_LOG_LEVEL="warning", **usual | environ)
    assert await wrong.ended() == 1
    (line,) = wrong.lines
    assert text in line
