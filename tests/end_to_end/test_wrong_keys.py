"""Processes whose encryption keys are not the ledger's do not work with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from cryptography.fernet import Fernet

from ledger import Ledger
from runtime.encryption import Sealer
from tests.support.ledger_redis import CELLS
from tests.support.processes import Processes
from tests.support.redis_process import RedisServer

RIGHT, WRONG = Fernet.generate_key().decode(), Fernet.generate_key().decode()


async def sealed(redis_url: str) -> None:
    """Begin a ledger with the right key."""
    ledger = Ledger.connect(redis_url, redis_url.removesuffix("/0") + "/1", cells=CELLS)
    await ledger.begin(Sealer([RIGHT]))
    await ledger.close()


@pytest.mark.parametrize("module", ["workers", "console"])
async def test_wrong_keys_end_the_start(
    module: str, processes: Processes, redis_url: str, free_port: Callable[[], int]
) -> None:
    """One line names the variable and shows no key; the exit status says that it failed."""
    await sealed(redis_url)
    environ = {"REDIS_URL": redis_url, "RELAY_API_TOKEN": "t", "PORT": str(free_port())}
    process = processes.python(module, RELAY_ENCRYPTION_KEY=WRONG, **environ)
    assert await process.ended() == 1
    assert len(process.lines) == 1
    assert "RELAY_ENCRYPTION_KEY" in process.output
    assert WRONG not in process.output


@pytest.mark.parametrize("module", ["workers", "console"])
async def test_a_redis_that_was_away_is_asked_when_it_is_back(
    module: str, processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """A process that could not check its keys at start ends as soon as it finds that they are wrong."""
    await sealed(own_redis.url)
    await asyncio.to_thread(own_redis.stop)
    environ = {"REDIS_URL": own_redis.url, "RELAY_API_TOKEN": "t", "PORT": str(free_port())}
    process = processes.python(module, RELAY_ENCRYPTION_KEY=WRONG, **environ)
    await process.logged("ledger_away")
    await asyncio.to_thread(own_redis.start)
    assert await process.ended() == 1
    assert "RELAY_ENCRYPTION_KEY" in process.output
    assert WRONG not in process.output
