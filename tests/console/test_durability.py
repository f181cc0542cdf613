"""A Redis that may lose what it acknowledges is told of wherever an operator looks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.console.conftest import Console, running
from tests.console.web.conftest import Reader
from tests.support.clients import http_client
from tests.support.redis_process import RedisServer, not_durable

REASON = "appendfsync is everysec, not always"


@pytest.fixture
async def weak(own_redis: RedisServer) -> AsyncIterator[Console]:
    """A console on a Redis that syncs once a second."""
    with not_durable(own_redis.url):
        async with running(own_redis.url, {}) as console:
            yield console


async def test_probes_and_the_api_tell_of_it(weak: Console) -> None:
    """/readyz and /v1/stats name the reason; it is well enough to go on with."""
    told = {"durable": False, "reasons": [REASON]}
    ready = await weak.call("GET", "/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["redis"]) == (200, "ready", told)
    assert (await weak.call("GET", "/v1/stats")).json()["redis"] == told


async def test_metrics_tell_of_it(weak: Console, console: Console) -> None:
    """One number for an alarm, and how much waits in spools meanwhile."""
    await weak.ledger.intake.report_spool("receiver-1", 7)
    lines = (await weak.call("GET", "/metrics")).text.splitlines()
    assert {"relay_ledger_durable 0.0", "relay_spooled 7.0"} <= set(lines)
    assert "relay_ledger_durable 1.0" in (await console.call("GET", "/metrics")).text.splitlines()


async def test_the_console_tells_of_it(weak: Console) -> None:
    """The overview begins with it, its tile and the page of settings say so, and so does what is spooled."""
    await weak.ledger.intake.report_spool("receiver-1", 7)
    async with http_client(weak.url) as client:
        reader = Reader(client)
        await reader.sign_in()
        overview, settings = (await reader.open("/")).text, (await reader.open("/settings")).text
    assert "Redis is not durable" in overview
    assert overview.count(REASON) == 1
    assert "<dd>not durable</dd>" in overview
    assert "7 webhooks wait in the spool" in overview
    assert 'class="verdict verdict-bad"' in settings
    assert "Redis is not durable" in settings
    assert REASON in settings
