"""Fixtures that start a relay: one for all tests of a file, which are apart by payments and merchants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
import pytest_asyncio

from tests.support.ledger_home import LedgerHome
from tests.support.processes import Processes, clean_environ
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay

StartRelay = Callable[..., Awaitable[Relay]]
Story = Callable[[Relay], Awaitable[None]]


def shared_relay(**environ: str) -> Any:
    """A fixture of a file: one relay with these environment variables on top of the usual ones.

    A start costs seconds of CPU; the tests need ``pytestmark = pytest.mark.asyncio(loop_scope="module")``.
    """

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def relay(
        ledger_home: LedgerHome, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
    ) -> AsyncIterator[Relay]:
        ledger_home.empty()
        processes = Processes(tmp_path_factory.mktemp("relay"), clean_environ())
        relay = Relay(processes, ledger_home.url, free_port, {**ledger_home.environ, **environ})
        try:
            await relay.start()
            yield relay
            await relay.stop()
        finally:
            processes.end()

    return relay


def relay_with_own_redis(**environ: str) -> Any:
    """A fixture of a file: for each test a relay with a Redis of its own, `own_redis`, which the test may stop or
    empty, and with these environment variables on top of the usual ones."""

    @pytest.fixture
    async def relay(processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]) -> AsyncIterator[Relay]:
        relay = Relay(processes, own_redis.url, free_port, environ)
        await relay.start()
        yield relay
        await relay.stop()

    return relay


def side_by_side(stories: Sequence[Story]) -> Any:
    """A fixture of a file: stories that mostly wait, played at the same time with one relay; each by its name."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def tasks(relay: Relay) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
        tasks = {story.__name__: asyncio.ensure_future(_play(story, relay)) for story in stories}
        yield tasks
        for task in tasks.values():
            task.cancel()

    return tasks


async def _play(story: Story, relay: Relay) -> None:
    await story(relay)
