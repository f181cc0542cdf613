"""RELAY_REPLICA_ACKS where there is no replica: none of the processes promises anything that Redis alone has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from tests.support.clients import http_client
from tests.support.processes import Processes
from tests.support.relay import KEY, TOKEN
from tests.support.waiting import until


@pytest.fixture
def environ(redis_url: str, free_port: Callable[[], int]) -> dict[str, str]:
    """One replica is asked for."""
    return {
        "REDIS_URL": redis_url, "RELAY_REPLICA_ACKS": "1", "RELAY_API_TOKEN": TOKEN, "RELAY_ENCRYPTION_KEY": KEY,
        "HOST": "127.0.0.1", "PORT": str(free_port()),
    }  # fmt: skip


async def test_a_receiver_acknowledges_from_its_spool(processes: Processes, environ: dict[str, str]) -> None:
    """The webhook is on this machine's disk, and is handed over when there is a replica."""
    url = f"http://127.0.0.1:{environ['PORT']}"
    receiver = processes.python("receiver", **environ)
    await receiver.ready(f"{url}/readyz")
    async with http_client(url) as client:
        assert (await client.post("/webhooks", json={"imp_uid": "imp_1"})).status_code == 200
        metrics = (await client.get("/metrics")).text.splitlines()
    assert "relay_spool_waiting 1.0" in metrics
    await receiver.logged("redis_unavailable")


async def test_a_console_refuses_to_write(processes: Processes, environ: dict[str, str]) -> None:
    """It reads, and what an operator asks for is said not to be done."""
    console = processes.python("console", **environ)
    url = f"http://127.0.0.1:{environ['PORT']}"
    await console.ready(f"{url}/readyz")
    async with http_client(url, headers={"authorization": f"Bearer {TOKEN}"}) as client:
        assert (await client.get("/v1/stats")).status_code == 200
        answer = await client.put("/v1/merchants/shop", json={"imp_key": "key", "imp_secret": "secret"})
    assert (answer.status_code, "replicas" in answer.json()["detail"]) == (503, True)


async def test_a_worker_waits(processes: Processes, environ: dict[str, str]) -> None:
    """It says at its start that it cannot rely on Redis, and goes on asking without saying so again and again."""
    with redis.Redis.from_url(environ["REDIS_URL"]) as client:
        client.config_resetstat()
        worker = processes.python("workers", **environ)

        def asked() -> int:
            return int(client.info("commandstats").get("cmdstat_wait", {"calls": 0})["calls"])

        await worker.logged("ledger_away", task="prepare")
        before = asked()
        await until(lambda: asked() > before + 2, "it has asked again and again")
    at_start, later = worker.logs("ledger_away")
    assert ("replicas" in at_start["error"], later["task"], "replicas" in later["error"]) == (True, "prepare", True)
