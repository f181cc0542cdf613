"""A console on a socket of this machine, with a ledger of its own."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet

from console.server import make_context, make_server
from history import History
from ledger.ledger import Ledger
from runtime.listening import listen
from runtime.periodic import Background, Periodic
from runtime.settings import Settings
from schemas.errors import LedgerUnavailable
from tests.support.clients import http_client
from tests.support.histories import make_tables
from tests.support.postgres import Postgres
from workers.recorder import Pace, Recorder
from workers.replay import Replayer

TOKEN, READ_ONLY, METRICS_ONLY = "operator-token", "reader-token", "metrics-token"
KEY = Fernet.generate_key().decode()


@dataclass(frozen=True)
class Console:
    """A running console: a client with a token, and the ledger behind it."""

    client: httpx.AsyncClient
    ledger: Ledger
    url: str
    replayer: Replayer

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """One call of the operator API."""
        return await self.client.request(method, path, json=body, **options)

    async def endpoint(self, **fields: Any) -> dict[str, Any]:
        """A new endpoint of the merchant `default`, as the API answers."""
        body = {"merchant": "default", "url": "http://127.0.0.1:9/hook", **fields}
        created = await self.call("POST", "/v1/endpoints", body)
        assert created.status_code == 201, created.text
        endpoint: dict[str, Any] = created.json()
        return endpoint


@asynccontextmanager
async def recording(ledger: Ledger, history: History, pace: Pace | None = None) -> AsyncIterator[None]:
    """A recorder at work, as every worker has one."""
    recorder = Background([Periodic("record", Recorder(ledger.outbox, history, "test", pace).step, 0.0)])
    with recorder.running():
        yield


@asynccontextmanager
async def running(
    redis_url: str, environ: Mapping[str, str], *, opened: bool = True, pace: Pace | None = None
) -> AsyncIterator[Console]:
    """A console with these variables on top of the usual ones, and a recorder of this pace; its ledger is not opened
    where that is what cannot be done."""
    with tempfile.TemporaryDirectory(prefix="history") as folder:
        url = f"sqlite:///{folder}/history.db"
        if "RELAY_HISTORY_URL" not in environ:
            await make_tables(url)
        async with _running(redis_url, {"RELAY_HISTORY_URL": url, **environ}, opened, pace) as console:
            yield console


@asynccontextmanager
async def _running(
    redis_url: str, environ: Mapping[str, str], opened: bool, pace: Pace | None
) -> AsyncIterator[Console]:
    settings = Settings.load({
        "REDIS_URL": redis_url, "RELAY_API_TOKEN": f"{TOKEN},ro:{READ_ONLY},metrics:{METRICS_ONLY}",
        "RELAY_ENCRYPTION_KEY": KEY, "RELAY_CELLS": "1",
        "RELAY_ALLOW_PRIVATE_ENDPOINTS": "true", **environ,
    })  # fmt: skip
    context = make_context(settings)
    await (context.ledger.open_with(context.history, context.sealer) if opened else context.history.prepare())
    listener = listen("127.0.0.1", 0)
    server = make_server(context)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    headers = {"authorization": f"Bearer {TOKEN}"}
    try:
        async with http_client(url, headers=headers) as client, recording(context.ledger, context.history, pace):
            yield Console(client, context.ledger, url, Replayer(context.ledger, context.history))
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def worked(step: Callable[[], Awaitable[object]], every: float = 0.02) -> AsyncIterator[None]:
    """This step of a worker is taken over and over, with so many seconds in between, also where Redis was too slow for
    one."""

    async def work() -> None:
        while True:
            with suppress(LedgerUnavailable):
                await step()
            await asyncio.sleep(every)

    task = asyncio.create_task(work())
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def meanwhile(call: Awaitable[httpx.Response], step: Callable[[], Awaitable[object]]) -> httpx.Response:
    """The answer of a call during which a worker takes this step over and over."""
    async with worked(step):
        return await call


on_each_database = pytest.mark.parametrize("history_url", ["sqlite", "postgresql"], indirect=True)
"""For tests of what depends on history's database: they run once for each; all others have their history in SQLite."""


@pytest.fixture
def history_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a console's history is: empty, and in SQLite unless the test says otherwise."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'history.db'}"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.create()


@pytest.fixture
async def console(redis_url: str, history_url: str) -> AsyncIterator[Console]:
    """A console with an empty ledger."""
    await make_tables(history_url)
    async with running(redis_url, {"RELAY_HISTORY_URL": history_url}) as console:
        yield console
