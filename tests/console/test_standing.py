"""Whatever keeps the relay from working is shown wherever an operator looks: API, metrics, pages, doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import redis
import typer
from typer.testing import CliRunner

from cli.commands import register
from cli.diagnosis import of_stats
from ledger.acl import AclProblem
from ledger.heartbeats import Heartbeat
from ledger.keys import Lane
from schemas.endpoints.delivery import Retry
from schemas.reasons import Reason
from tests.console.conftest import TOKEN, Console, running
from tests.console.test_history import take_away
from tests.console.web.conftest import Reader
from tests.support import machine
from tests.support.clients import http_client
from tests.support.ledger_state import ledger_state
from tests.support.reasons import because
from tests.support.redis_process import RedisServer
from tests.support.waiting import until

SIGN = Heartbeat(version="1.2.3", up=100.0, lane="deliver/ep_1", ago=2.5, trouble=None)
_relay = typer.Typer()
register(_relay)


async def stats(console: Console) -> dict[str, Any]:
    """All numbers."""
    answer = await console.call("GET", "/v1/stats")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def metrics(console: Console) -> dict[str, float]:
    """The relay's own gauges, without its version."""
    answer = await console.call("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    rows = (line.split(" ") for line in answer.text.splitlines() if line.startswith("relay_"))
    return {name: float(value) for name, value in rows if not name.startswith("relay_build_info")}


async def ready(console: Console) -> dict[str, Any]:
    """What the probe says."""
    answer = await console.call("GET", "/readyz")
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def doctor(console: Console, *options: str) -> dict[str, tuple[str, str, str | None]]:
    """What the doctor finds, by subject."""
    known = {"RELAY_CONSOLE_URL": console.url, "RELAY_API_TOKEN": TOKEN}
    told = await asyncio.to_thread(CliRunner().invoke, _relay, ["doctor", "--json", *options], env=known)
    found = json.loads(told.stdout)["findings"]
    return {one["subject"]: (one["outcome"], one["text"], one["advice"]) for one in found}


async def overview(console: Console, language: str = "en") -> str:
    """The first page."""
    async with http_client(console.url) as client:
        reader = Reader(client)
        await reader.sign_in()
        return (await reader.open("/", headers={"accept-language": language})).text


async def waiting_delivery(console: Console) -> tuple[str, str]:
    """An event and an endpoint that it is due at."""
    endpoint = (await console.endpoint())["id"]
    await machine.seen(console.ledger, "imp_1")
    event = (await console.call("GET", "/v1/payments/imp_1")).json()["events"][0]["id"]
    return event, endpoint


async def explained(console: Console, event: str, endpoint: str) -> str:
    """Why the endpoint has not got the event."""
    answer = await console.call("GET", f"/v1/events/{event}/explain", params={"endpoint": endpoint})
    reason: str = answer.json()["reason"]
    return reason


async def test_a_history_that_is_away_or_behind_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do; and that a moment is nothing to worry about."""
    assert (await doctor(console, "--no-test"))["history"][0] == "ok"
    behind = {"available": True, "behind_seconds": 75.0, "waiting": 9, "reason": None}
    found = {finding.subject: finding for finding in of_stats({**await stats(console), "history": behind})}
    assert (found["history"].outcome, "75 s behind" in found["history"].text) == ("warning", True)
    take_away(monkeypatch)
    outcome, text, advice = (await doctor(console, "--no-test"))["history"]
    assert (outcome, "disk I/O error" in text, "RELAY_HISTORY_URL" in (advice or "")) == ("bad", True, True)


async def test_a_relay_without_workers_says_so(console: Console) -> None:
    """Before anything is late."""
    event, endpoint = await waiting_delivery(console)
    assert (await stats(console))["workers"] == []
    assert (await ready(console))["workers"] == {"running": 0, "quiet": [], "troubles": []}
    assert (await metrics(console))["relay_workers"] == 0
    outcome, text, advice = (await doctor(console, "--no-test"))["workers"]
    assert (outcome, "no workers are running" in text, advice) == ("bad", True, "start a worker: `python -m workers`")
    assert "No worker is running" in await overview(console)
    assert "실행 중인 워커가 없습니다" in await overview(console, "ko")
    assert (await explained(console, event, endpoint)).startswith("no worker is running (0 attempts so far")


async def test_workers_are_listed(console: Console, redis_url: str) -> None:
    """Workers that run and those without a heartbeat, with what they did last."""
    event, endpoint = await waiting_delivery(console)
    for name in ("host-1", "host-2"):
        await console.ledger.heartbeats.report(name, SIGN)
    async with ledger_state(redis_url) as state:
        await state.age_heartbeat("host-2", 60)
    first, second = (await stats(console))["workers"]
    assert (first["name"], first["version"], first["state"], first["last_lane"], first["trouble"]) == (
        "host-1", "1.2.3", "running", "deliver/ep_1", None
    )  # fmt: skip
    assert (second["name"], second["state"]) == ("host-2", "quiet")
    assert (await ready(console))["workers"] == {"running": 1, "quiet": ["host-2"], "troubles": []}
    found = await metrics(console)
    assert (found["relay_workers"], found["relay_workers_quiet"]) == (1, 1)
    diagnosis = await doctor(console, "--no-test")
    assert diagnosis["workers"][:2] == ("ok", "1 worker is running")
    assert (diagnosis["worker host-2"][0], "no heartbeat since" in diagnosis["worker host-2"][1]) == ("warning", True)
    page = await overview(console)
    assert "1 worker has stopped sending heartbeats" in page
    assert "host-1" in page
    assert "No worker is running" not in page
    assert "it waits for a worker" in await explained(console, event, endpoint)


async def test_what_hinders_a_worker_is_told(console: Console) -> None:
    """Its settings may be others than the console's."""
    problem = AclProblem("queue", Reason.of("commands_forbidden", commands="KEYS", rights="+keys"), lasting=True)
    trouble = (
        "RELAY_QUEUE_URL (REDIS_URL with its database number + 1 unless set): its Redis user may not use KEYS: "
        "ACL SETUSER … +keys"
    )
    await console.ledger.heartbeats.report("host-1", Heartbeat("1.2.3", 1.0, None, None, problem.reason))
    assert (await stats(console))["workers"][0]["trouble"] == trouble
    assert (await ready(console))["workers"]["troubles"] == [trouble]
    assert (await doctor(console, "--no-test"))["worker host-1"] == (
        "bad", trouble, "fix this on the worker's host"
    )  # fmt: skip
    assert "its Redis user may not use KEYS" in await overview(console)
    assert "Redis 사용자에게 명령 KEYS 권한이 없습니다" in await overview(console, "ko")


@asynccontextmanager
async def full(server: RedisServer, share: float) -> AsyncIterator[None]:
    """A Redis of whose memory this share is in use."""
    with redis.Redis.from_url(server.url) as admin:
        admin.setrange("{relay}:minute:ballast", 20_000_000, "x")
        admin.config_set("maxmemory", round(admin.info("memory")["used_memory"] / share))
        try:
            yield
        finally:
            admin.config_set("maxmemory", 0)


@pytest.mark.parametrize("share", [0.97, 1.5])
async def test_a_nearly_full_redis_is_told(own_redis: RedisServer, share: float) -> None:
    """At 97 %, when nothing new is claimed, and when nothing can be written at all."""
    async with running(own_redis.url, {}) as console:
        event, endpoint = await waiting_delivery(console)
        await console.ledger.heartbeats.report("host-1", SIGN)
        before = await stats(console)
        assert before["memory"]["ratio"] is None
        assert (before["memory"]["nearly_full"], before["memory"]["max_bytes"]) == (False, None)
        async with full(own_redis, share):
            memory = (await stats(console))["memory"]
            assert memory["nearly_full"]
            assert memory["ratio"] == pytest.approx(memory["used_bytes"] / memory["max_bytes"], abs=1e-4)
            assert (await ready(console))["memory"]["nearly_full"]
            assert (await metrics(console))["relay_ledger_memory_ratio"] > 0.95
            diagnosis = await doctor(console, "--no-test")
            assert (diagnosis["memory"][0], "no new work is started" in diagnosis["memory"][1]) == ("bad", True)
            assert "nothing new is claimed" in await overview(console)
            reason = await explained(console, event, endpoint)
            assert reason.startswith("Redis is ")
            assert "% full: nothing new is claimed" in reason
        assert not (await stats(console))["memory"]["nearly_full"]


async def test_a_queue_that_cannot_work_is_told(own_redis: RedisServer) -> None:
    """With the reason, and with what to do."""
    queue = own_redis.url.replace("/0", "/16")
    async with running(own_redis.url, {"RELAY_QUEUE_URL": queue}, opened=False) as console:
        event, endpoint = await waiting_delivery(console)
        told = (await stats(console))["queue"]
        assert not told["works"]
        assert told["reason"].startswith("RELAY_QUEUE_URL (")
        assert "DB index is out of range" in told["reason"]
        assert (await ready(console))["queue"] == told
        assert (await metrics(console))["relay_queue_works"] == 0
        outcome, text, _ = (await doctor(console, "--no-test"))["queue"]
        assert (outcome, "DB index is out of range" in text) == ("bad", True)
        assert text.endswith("set the number of one that exists, on a Redis that is not a Cluster")
        assert "The queue is unavailable, so workers get no kicks" in await overview(console)
        assert "큐가 동작하지 않아" in await overview(console, "ko")
        assert (await explained(console, event, endpoint)).startswith("RELAY_QUEUE_URL")


async def test_a_right_that_was_taken_away_is_named(own_redis: RedisServer) -> None:
    """Though the console needs it to answer, and all was well a moment ago: which right, and what to do."""
    reason = "REDIS_URL: its Redis user may not use INFO: ACL SETUSER … +info"
    with redis.Redis.from_url(own_redis.url) as admin:
        admin.execute_command("ACL", "SETUSER", "relay", "on", ">secret", "~*", "&*", "+@all")
        url = own_redis.url.replace("redis://", "redis://relay:secret@")
        async with running(url, {}) as console:
            assert (await metrics(console))["relay_ledger_works"] == 1
            admin.execute_command("ACL", "SETUSER", "relay", "-info")

            async def is_seen() -> bool:
                return not (await metrics(console))["relay_ledger_works"]

            await until(is_seen, "the console has looked", every=0.1)
            found = await metrics(console)
            assert (found["relay_redis_available"], found["relay_workers"], found["relay_ledger_durable"]) == (1, 0, 1)
            assert "relay_ledger_memory_ratio" not in found
            answer = await console.call("GET", "/readyz")
            assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
            assert answer.json()["ledger"] == {"works": False, "reason": reason, "reason_code": "commands_forbidden"}
            assert (answer.json()["memory"], answer.json()["workers"]["running"]) == (None, 0)
            answer = await console.call("GET", "/v1/stats")
            assert (answer.status_code, answer.json()["detail"]) == (503, reason)


async def test_metrics_are_there_without_redis(own_redis: RedisServer) -> None:
    """That is when they are needed: the process's own, and that Redis is away; and all of them when it is back."""
    async with running(own_redis.url, {}) as console:
        assert (await metrics(console))["relay_redis_available"] == 1
        await asyncio.to_thread(own_redis.kill)
        assert await metrics(console) == {"relay_redis_available": 0}
        assert "process_cpu_seconds_total" in (await console.call("GET", "/metrics")).text
        await asyncio.to_thread(own_redis.start)
        found = await metrics(console)
        assert (found["relay_redis_available"], found["relay_deliveries_pending"]) == (1, 0)


async def test_all_endpoints_are_in_the_numbers(console: Console) -> None:
    """However many there are, and it is said that none is left out."""
    made = console.ledger.endpoints
    template = await made.get((await console.endpoint())["id"])
    for first in range(0, 1100, 100):
        names = [f"ep_{first + n:020}" for n in range(100)]
        await asyncio.gather(*(made.create(replace(template.endpoint, id=name)) for name in names))
    found = await stats(console)
    assert len({row["id"] for row in found["endpoints"]}) == 1101
    assert found["endpoints_left_out"] is False
    assert set(found["endpoints"][0]) == {"id", "success_rate", "breaker"}


async def test_what_endpoints_keep_waiting_has_figures_of_its_own(console: Console) -> None:
    """Nobody is called for a subscriber's outage as though workers were late."""
    endpoint = (await console.endpoint())["id"]
    await machine.seen(console.ledger, "imp_1", "imp_2", "imp_3")
    claimed = (await console.ledger.delivery_lane.claim(Lane("deliver", endpoint), 1)).deliveries
    await console.ledger.delivery_lane.settle(claimed[0].lease, Retry(0.0, because("answered 503"), 3600.0), [])
    deliveries = (await stats(console))["deliveries"]
    assert (deliveries["oldest_due_seconds"], deliveries["paused"], deliveries["pending"]) == (None, 3, 3)
    assert deliveries["oldest_paused_seconds"] >= 0
    found = await metrics(console)
    assert (found["relay_oldest_delivery_seconds"], found["relay_deliveries_paused"]) == (0, 3)
    assert "relay_oldest_paused_delivery_seconds" in found


async def test_the_doctor_says_why_a_test_did_not_go_out(redis_url: str) -> None:
    """The reason of the lane, where workers run; else that none does."""
    async with running(redis_url, {"RELAY_DELIVERY_TIMEOUT": "100ms"}) as console:
        created = await console.endpoint()
        subject = f"endpoint {created['id']} ({created['url']})"
        outcome, text, advice = (await doctor(console))[subject]
        assert (outcome, advice) == ("bad", "start a worker: `python -m workers`")
        assert text.startswith("the test event did not go out: ")
        await console.ledger.heartbeats.report("host-1", SIGN)
        outcome, text, advice = (await doctor(console))[subject]
        assert (outcome, "start" in (advice or "")) == ("bad", False)
