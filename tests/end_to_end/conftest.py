"""A whole relay for tests that follow a payment from webhook to callback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.processes import Processes
from tests.support.stack import Stack

StartStack = Callable[..., Awaitable[Stack]]


@pytest.fixture
async def start_stack(processes: Processes, redis_url: str, free_port: Callable[[], int]) -> AsyncIterator[StartStack]:
    """Starts a relay with these environment variables on top of the usual ones."""
    started: list[Stack] = []

    async def start(**environ: str) -> Stack:
        stack = Stack(processes, redis_url, free_port, environ)
        started.append(stack)
        await stack.start()
        return stack

    yield start
    for stack in started:
        await stack.stop()


@pytest.fixture
async def stack(start_stack: StartStack) -> Stack:
    """A relay that is running, with its usual environment."""
    return await start_stack()
