"""A whole relay for tests that follow a payment from webhook to callback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.processes import Processes
from tests.support.relay import Relay
from tests.support.relay_fixtures import StartRelay


@pytest.fixture
async def start_relay(processes: Processes, redis_url: str, free_port: Callable[[], int]) -> AsyncIterator[StartRelay]:
    """Starts a relay with these environment variables on top of the usual ones."""
    started: list[Relay] = []

    async def start(**environ: str) -> Relay:
        relay = Relay(processes, redis_url, free_port, environ)
        started.append(relay)
        await relay.start()
        return relay

    yield start
    for relay in started:
        await relay.stop()


@pytest.fixture
async def relay(start_relay: StartRelay) -> Relay:
    """A relay of this test's own, with its usual environment; a file may share one instead, by `shared_relay`."""
    return await start_relay()
