"""A Redis that does not let processes work ends their start in one line; the documented rights are enough for all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography.fernet import Fernet

from tests.support.ledger_state import ledger_state
from tests.support.processes import ROOT, Process, Processes
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay

MODULES = ("workers", "console", "receiver")
KEY = Fernet.generate_key().decode()
RULE = re.search(r"^ACL SETUSER relay (.*)$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE)


def rights(server: RedisServer, *changes: str) -> str:
    """A user with the documented rights, but for these changes; the ledger's address for this user."""
    assert RULE is not None
    with redis.Redis.from_url(server.url) as admin:
        admin.execute_command("ACL", "SETUSER", "relay", *RULE[1].replace("PASSWORD", "s3cret").split(), *changes)
    return server.url.replace("redis://", "redis://relay:s3cret@")


def start(processes: Processes, module: str, port: int, redis_url: str, **environ: str) -> Process:
    """A process with what it needs besides Redis."""
    usual = {"RELAY_API_TOKEN": "t", "RELAY_ENCRYPTION_KEY": KEY, "PORT": str(port)}
    return processes.python(module, REDIS_URL=redis_url, **{**usual, **environ})


async def ends_with(process: Process, named: str) -> None:
    """It ends with status 1 and a line that names this and no secret."""
    assert await process.ended() == 1
    (line,) = process.lines
    assert line.startswith(named)
    assert "Traceback" not in process.output
    assert "s3cret" not in process.output


@pytest.mark.parametrize("module", MODULES)
async def test_a_redis_with_one_database(
    module: str, processes: Processes, tmp_path: Path, free_port: Callable[[], int]
) -> None:
    """There is no next one for the queue."""
    server = RedisServer(free_port(), tmp_path / "redis", "--databases", "1")
    server.start()
    try:
        await ends_with(
            start(processes, module, free_port(), server.url), "RELAY_QUEUE_URL (REDIS_URL with its database"
        )
    finally:
        server.kill()


@pytest.mark.parametrize("module", MODULES)
async def test_a_user_without_a_right(
    module: str, processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """Of the ledger or of the queue, or with a wrong password."""
    for change, named in (("-zadd", "REDIS_URL: its Redis user may not use ZADD"), ("-blpop", "RELAY_QUEUE_URL")):
        await ends_with(start(processes, module, free_port(), rights(own_redis, change)), named)
    wrong = rights(own_redis).replace("s3cret", "guess")
    await ends_with(start(processes, module, free_port(), wrong), "REDIS_URL: Redis rejected the user or password")


@pytest.mark.parametrize("module", ["workers", "console"])
async def test_a_redis_that_was_away(
    module: str, processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """That it is away ends nothing; what is found when it is back does."""
    await asyncio.to_thread(own_redis.stop)
    url = own_redis.url.replace("/0", "/15")
    process = start(processes, module, free_port(), url)
    await process.logged("ledger_away")
    await asyncio.to_thread(own_redis.start)
    assert await process.ended() == 1
    assert "RELAY_QUEUE_URL" in process.output


@pytest.fixture
async def limited(processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]) -> AsyncIterator[Relay]:
    """A relay whose Redis user has the documented rights and no other."""
    relay = Relay(processes, rights(own_redis), free_port, {"RELAY_RECONCILE_EVERY": "1s"})
    await relay.start()
    yield relay
    await relay.stop()


async def test_the_documented_rights_are_enough(limited: Relay, own_redis: RedisServer) -> None:
    """Webhooks, refreshes, callbacks, retries, cancellations, reconciliations, replays: Redis refuses nothing."""
    limited.subscriber.reply = lambda count: (500 if count == 1 else 200, 0)
    endpoint = await limited.endpoint()
    (card,) = await limited.play("card")
    await limited.play("virtual-account")
    await limited.webhook("imp_made_up")
    await limited.until(lambda: len(limited.subscriber.requests) >= 4, "all callbacks come")

    async def settled() -> bool:
        return not (await limited.api.get("/v1/stats")).json()["deliveries"]["pending"]

    await limited.until(settled, "all is delivered")
    assert (await limited.api.post(f"/v1/payments/{card}/cancellations", json={})).status_code in (200, 202)
    assert (await limited.api.put("/v1/orders/o", json={"amount": 5})).status_code == 200
    since = {"since": "2026-01-01T00:00:00Z", "until": "2036-01-01T00:00:00Z"}
    recon = (await limited.api.post("/v1/reconciliations", json={"merchant": "default", **since})).json()
    replay = (await limited.api.post("/v1/replays", json={"only": "all", "endpoint": endpoint["id"]})).json()

    async def done(path: str) -> bool:
        return bool((await limited.api.get(path)).json()["state"] == "done")

    await limited.until(lambda: done(f"/v1/replays/{replay['id']}"), "the replay is done")
    await limited.until(lambda: done(f"/v1/reconciliations/{recon['id']}"), "the reconciliation is done")
    for call in ("disable", "enable", "test"):
        assert (await limited.api.post(f"/v1/endpoints/{endpoint['id']}/{call}")).status_code == 200
    assert (await limited.api.delete(f"/v1/endpoints/{endpoint['id']}")).status_code in (200, 204)
    numbers = (await limited.api.get("/v1/stats")).json()
    assert (numbers["redis"]["durable"], numbers["queue"]["works"], numbers["ledger"]["works"]) == (True, True, True)
    with redis.Redis.from_url(own_redis.url) as admin:
        assert admin.execute_command("ACL", "LOG") == []


async def test_workers_come_and_go(limited: Relay, own_redis: RedisServer) -> None:
    """One that runs is listed with what it did last; stopped, it is gone; killed, it goes quiet."""
    await limited.endpoint()
    await limited.play("card")
    await limited.until_received("paid")

    async def workers() -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await limited.api.get("/v1/stats")).json()["workers"]
        return rows

    async def busy() -> bool:
        return bool([row for row in await workers() if row["last_lane"]])

    await limited.until(busy, "the worker tells what it did")
    (first,) = await workers()
    assert (first["state"], first["trouble"], str(limited.worker.pid) in first["name"]) == ("running", None, True)
    second = limited.start_worker()
    await second.logged("worker_ready")

    async def two() -> bool:
        return len(await workers()) == 2

    await limited.until(two, "both are listed")
    assert await second.terminate() == 0
    assert [row["name"] for row in await workers()] == [first["name"]]
    await limited.worker.kill()
    async with ledger_state(own_redis.url) as state:
        await state.age_heartbeat(first["name"], 60)
    assert [row["state"] for row in await workers()] == ["quiet"]


async def test_a_queue_that_stops_working_is_told_and_forgiven(limited: Relay, own_redis: RedisServer) -> None:
    """The log has a line or two about it, and no traceback; everything goes on as soon as it works again."""
    await limited.endpoint()
    (first,) = await limited.play("card")
    await limited.until_received("paid", imp_uid=first)
    rights(own_redis, "-blpop", "-rpush")
    (second,) = await limited.play("card")
    await limited.worker.printed("connection error")
    with redis.Redis.from_url(own_redis.url, decode_responses=True) as admin:

        def refused() -> int:
            return sum(int(entry["count"]) for entry in admin.acl_log())

        await limited.until(lambda: refused() >= 12, "each queue has been tried again and again")
    assert "Traceback" not in limited.worker.output
    assert len([line for line in limited.worker.lines if "error" in line and "ConsumerThread" in line]) == 1
    assert len(limited.worker.logs("kick_lost")) <= 1
    rights(own_redis)
    await limited.until_received("paid", imp_uid=second)
