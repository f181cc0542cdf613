"""Every way subscribers behave, end to end: one webhook, one event, a callback to each of them, plain and over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority
from tests.support.processes import Processes, clean_environ
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay
from tests.support.subscribers import Behaviour, Subscriber
from tests.support.waiting import PATIENCE, until
from tests.workers.catalogue import CATALOGUE

TIMEOUT = 8
"""Seconds for one attempt: long enough for a slow answer on a busy machine."""
RETRY = 1
"""Seconds from a failed attempt to the next."""

Case = tuple[str, bool]
NOT_REACHED = {
    "expired": "TLS: certificate has expired",
    "self_signed": "TLS: self-signed certificate",
    "wrong_host": "TLS: ",
    "refused": "connection refused",
}
CASES = [(name, secure) for name in CATALOGUE for secure in (False, True)]


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> dict[Case, dict[str, Any]]:
    """What the operator API says of each delivery, once each has been attempted and the ones that heal have healed."""
    folder = tmp_path_factory.mktemp("conformance")
    server = RedisServer(free_port(), folder / "redis")
    server.start()
    started = Processes(folder, clean_environ())
    try:
        return asyncio.run(_play(Relay(started, server.url, free_port, _environ(folder)), folder, free_port()))
    finally:
        started.end()
        server.kill()


def _environ(folder: Path) -> dict[str, str]:
    return {
        "SSL_CERT_FILE": str(folder / "authority.pem"),
        "RELAY_DELIVERY_TIMEOUT": f"{TIMEOUT}s",
        "RELAY_RETRY_SCHEDULE": f"{RETRY}s,60s",
    }


async def _play(relay: Relay, folder: Path, refused: int) -> dict[Case, dict[str, Any]]:
    authority = Authority(folder)
    certificate = authority.server()
    wrong = {
        "expired": authority.server(expired=True),
        "self_signed": authority.server(self_signed=True),
        "wrong_host": authority.server(("shop.example",)),
    }
    async with AsyncExitStack() as exits:
        await exits.enter_async_context(_running(relay))
        endpoints: dict[Case, str] = {}
        for name, secure in CASES:
            # A fault happens once, then the subscriber is well again.
            subscriber = Subscriber(CATALOGUE[name], tls=certificate if secure else None, times=1)
            await exits.enter_async_context(subscriber)
            endpoints[name, secure] = (await relay.endpoint(url=subscriber.url))["id"]
        for name, shown in wrong.items():
            subscriber = Subscriber(CATALOGUE["ok"], tls=shown)
            await exits.enter_async_context(subscriber)
            endpoints[name, True] = (await relay.endpoint(url=subscriber.url))["id"]
        endpoints["refused", False] = (await relay.endpoint(url=f"http://127.0.0.1:{refused}/hook"))["id"]
        await relay.play("card")
        rows: dict[Case, dict[str, Any]] = {}

        async def all_over() -> bool:
            nonlocal rows
            rows = await _read(relay, endpoints)
            return all(_is_over(case, row) for case, row in rows.items())

        # What is not over in time is shown by the test of its case.
        with suppress(AssertionError):
            await until(all_over, "every behaviour is over", 2 * PATIENCE, every=0.3)
        return rows


@asynccontextmanager
async def _running(relay: Relay) -> AsyncIterator[None]:
    await relay.start()
    yield
    await relay.stop()


async def _read(relay: Relay, endpoints: dict[Case, str]) -> dict[Case, dict[str, Any]]:
    (event,) = (await relay.api.get("/v1/events", params={"type": "payment.paid"})).json()["data"] or [{"id": "none"}]
    found = {row["endpoint"]: row for row in await relay.list_all("/v1/deliveries", event=event["id"])}
    return {case: found.get(endpoint, {"attempts": []}) for case, endpoint in endpoints.items()}


def _heals(behaviour: Behaviour) -> bool:
    """Whether a second attempt comes soon, and the subscriber counts its requests and so is well by then."""
    return behaviour.outcome == "again" and behaviour.lane_wait is None and behaviour.reads


def _is_over(case: Case, row: dict[str, Any]) -> bool:
    return len(row["attempts"]) >= (2 if case in CASES and _heals(CATALOGUE[case[0]]) else 1)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{'tls' if case[1] else 'plain'}")
def test_conformance(case: Case, deliveries: dict[Case, dict[str, Any]]) -> None:
    """The first attempt shows the status and the words of the catalogue, and the delivery is where they put it."""
    behaviour, row = CATALOGUE[case[0]], deliveries[case]

    first = row["attempts"][0]
    assert behaviour.status == first["status_code"], row
    assert (first["error"] or "").startswith(behaviour.error or ""), row
    assert (first["error"] is None) == (behaviour.error is None), row
    assert len(first["response"].encode()) <= 1024
    if behaviour.outcome == "delivered":
        assert (row["state"], len(row["attempts"])) == ("delivered", 1)
    elif behaviour.outcome == "disable":
        assert row["state"] == "held"
        assert "410" in row["reason"]
    elif behaviour.lane_wait is not None:
        assert (row["state"], len(row["attempts"])) == ("pending", 1)
        assert "Retry-After" in row["reason"]
        waits = _at(row["next_attempt_at"]) - _at(first["at"])
        # What the attempt took, and the clock of whoever sent a date, come on top.
        assert behaviour.lane_wait - 2 <= waits <= behaviour.lane_wait + TIMEOUT + 10
    elif behaviour.reads:
        assert (row["state"], row["attempts"][1]["status_code"]) == ("delivered", 200)
    else:
        assert row["state"] == "pending"


@pytest.mark.parametrize(("name", "error"), NOT_REACHED.items(), ids=NOT_REACHED)
def test_not_reached(name: str, error: str, deliveries: dict[Case, dict[str, Any]]) -> None:
    """An endpoint whose certificate is not good, or that does not listen, gets nothing and is tried again."""
    row = deliveries[name, name != "refused"]

    assert row["state"] == "pending"
    assert row["attempts"][0]["status_code"] is None
    assert row["attempts"][0]["error"].startswith(error), row


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
