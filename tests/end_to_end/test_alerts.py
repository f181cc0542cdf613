"""A real Prometheus beside a relay under load: the dashboard's queries have data, nothing is alerted until something
happens, and then the right things are."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.support import prometheus
from tests.support.processes import ROOT, Processes
from tests.support.prometheus import Prometheus
from tests.support.redis_process import RedisServer
from tests.support.relay import TOKEN, Relay
from tests.support.relay_fixtures import relay_with_own_redis

DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "iamport-relay.json"
EMPTY_WHILE_HEALTHY = {
    "relay_webhooks_refused_total",
    "relay_webhook_bodies_refused_total",
    "relay_iamport_breaker_open",
    "relay_webhook_loss_rate",
}
"""Metrics that a relay without troubles does not have: nothing to count, nothing to lose yet."""
LOOK_EVERY = 0.5
"""Seconds between two looks at the whole dashboard: Prometheus looks at the relay every second."""
relay = relay_with_own_redis()
_METRIC = re.compile(r"\b(?:relay|process)_[a-z_]+\b(?!\")")


@pytest.fixture
async def watcher(relay: Relay, processes: Processes, free_port: Callable[[], int]) -> AsyncIterator[Prometheus]:
    """A Prometheus that scrapes all its processes, of workers two."""
    workers = [relay.worker, relay.start_worker()]
    targets = {
        "receiver": [relay.url("receiver").removeprefix("http://")],
        "console": [relay.url("console").removeprefix("http://")],
        "worker": [f"127.0.0.1:{(await one.logged('metrics_served'))['port']}" for one in workers],
    }
    started = prometheus.start(processes, free_port(), targets, TOKEN)
    await started.ready()
    yield started
    await started.client.aclose()


def queries() -> Iterator[str]:
    """Every query of the dashboard, its variables replaced."""
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"].replace("$__rate_interval", "10s")


def metrics_of(expression: str) -> set[str]:
    """The metrics that an expression reads."""
    without_labels = re.sub(r"\{[^}]*\}|(?:by|without) \([^)]*\)", "", expression)
    return set(_METRIC.findall(without_labels))


async def load(relay: Relay) -> None:
    """Payments, one after the other, until cancelled: dozens for each look that Prometheus takes."""
    while True:
        await relay.play("card")
        await asyncio.sleep(0.05)


async def test_an_operator_sees_what_happens(relay: Relay, watcher: Prometheus, own_redis: RedisServer) -> None:
    """Healthy under load, then with webhooks refused, i'mport away, and at last Redis away."""
    await relay.endpoint()
    playing = asyncio.create_task(load(relay))
    await _everything_has_data(relay, watcher)
    assert set(await watcher.firing()) <= prometheus.OF_SCRAPES
    playing.cancel()

    await relay.intake.post("/webhooks", json={"imp_uid": "not an imp_uid"})
    await relay.i_mport.terminate()
    await relay.webhook("imp_1")
    await _alerted(relay, watcher, "RelayWebhooksRefused", "RelayIamportFailing")
    await relay.until(lambda: _shows_troubles(watcher), "the dashboard shows it", every=LOOK_EVERY)
    own_redis.stop()
    assert (await relay.webhook("imp_2")).status_code == 200
    found = await _alerted(relay, watcher, "RelayRedisAway", "RelaySpoolInUse")
    assert found["RelayRedisAway"] == f"{prometheus.DOCS}/operating.md#redis-is-away"
    assert found["RelaySpoolInUse"] == f"{prometheus.DOCS}/operating.md#a-spool-grows"


async def _everything_has_data(relay: Relay, watcher: Prometheus) -> None:
    """All processes are scraped, each query of the dashboard gives something, and each rule is evaluated and reads
    metrics that there are."""
    expressions = [*queries()]
    await relay.until(lambda: _has_rates(watcher), "all are scraped for a while")

    async def only_expected() -> bool:
        return await _empty(watcher, expressions) <= EMPTY_WHILE_HEALTHY

    await relay.until(only_expected, "every query has data", every=LOOK_EVERY)
    rules = await watcher.rules()
    assert {(rule["health"], rule.get("lastError", "")) for rule in rules} == {("ok", "")}
    read = set().union(*(metrics_of(rule["query"]) for rule in rules))
    assert read - await watcher.names() <= EMPTY_WHILE_HEALTHY


async def _shows_troubles(watcher: Prometheus) -> bool:
    """The queries that were empty have data now; there was nothing to lose all the while."""
    return not (EMPTY_WHILE_HEALTHY - {"relay_webhook_loss_rate"}) & await _empty(watcher, [*queries()])


async def _has_rates(watcher: Prometheus) -> bool:
    return len(await watcher.query("rate(process_cpu_seconds_total{job=~'relay-.*'}[10s])")) == 4


async def _empty(watcher: Prometheus, expressions: list[str]) -> set[str]:
    """The metrics of those expressions that give nothing, or nothing that is a number."""
    results = await asyncio.gather(*map(watcher.query, expressions))
    return set().union(*(metrics_of(one) for one, rows in zip(expressions, results, strict=True) if not _numbers(rows)))


def _numbers(rows: list[Any]) -> list[str]:
    return [row["value"][1] for row in rows if row["value"][1] != "NaN"]


async def _alerted(relay: Relay, watcher: Prometheus, *names: str) -> dict[str, str]:
    """Wait until these alerts fire; all that fire."""
    found: dict[str, str] = {}

    async def all_fire() -> bool:
        found.update(await watcher.firing())
        return set(names) <= found.keys()

    await relay.until(all_fire, f"{names} fire")
    return found
