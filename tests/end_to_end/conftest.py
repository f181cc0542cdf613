"""A whole relay for tests that follow a payment from webhook to callback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.ledger_home import LedgerHome
from tests.support.processes import Processes
from tests.support.redis_process import queue_url
from tests.support.relay import Relay
from tests.support.relay_fixtures import StartRelay


@pytest.fixture
async def start_relay(
    processes: Processes, ledger_home: LedgerHome, free_port: Callable[[], int]
) -> AsyncIterator[StartRelay]:
    """Starts a relay with these environment variables on top of the usual ones."""
    started: list[Relay] = []
    ledger_home.empty()

    async def start(**environ: str) -> Relay:
        relay = Relay(processes, ledger_home.url, free_port, {**ledger_home.environ, **environ})
        started.append(relay)
        await relay.start()
        return relay

    yield start
    for relay in started:
        await relay.stop()


@pytest.fixture
def one_redis(redis_url: str) -> dict[str, str]:
    """The environment of a relay whose ledger is on the one Redis that its test looks into, whatever `--ledger` is."""
    return {"REDIS_URL": redis_url, "RELAY_QUEUE_URL": queue_url(redis_url)}


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    """A relay of this test's own, with its usual environment; a file may share one instead, by `shared_relay`."""
    return await start_relay()
