"""A sandbox on a real socket, in this process, with a clock the test can move and a relay that only listens."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from sandbox.app import build
from schemas import wire
from tests.support.clients import http_client
from tests.support.iamport_stub import Asked, Stub, http

KEY, SECRET = "sandbox_key", "sandbox_secret"


class MovableClock:
    """The time, moved by ``ahead`` seconds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serves ``app`` on a free port; gives its URL."""
    # With the protocol named, asyncio turns Nagle's algorithm off; without, each answer waits 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as door:
        door.bind(("127.0.0.1", 0))
        door.listen()  # so that a request may come before the server is up
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        # `serve` would take over SIGINT and SIGTERM of the whole test run.
        task = asyncio.create_task(server._serve([door]))
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        server.should_exit = True
        await task


class WebhookReceiver(Stub):
    """Answers 200 to webhooks and records them."""

    @property
    def webhooks(self) -> list[dict[str, Any]]:
        """The JSON webhooks that arrived, in order."""
        return [wire.loads(asked.body) for asked in self.asked]


class SandboxClient:
    """A client of the sandbox: i'mport's API with a token, and the control API."""

    def __init__(self, http_client: httpx.AsyncClient) -> None:
        self.http = http_client
        self.token = ""

    async def get_token(self, key: str = KEY, secret: str = SECRET) -> Any:
        """Asks for a token and keeps it; the whole answer."""
        answer = await self.http.post("/users/getToken", json={"imp_key": key, "imp_secret": secret})
        value = wire.loads(answer.content)
        self.token = (value.get("response") or {}).get("access_token", "")
        return value

    async def get(self, path: str, **params: Any) -> tuple[int, Any]:
        """A call of i'mport's API: status code and the whole answer."""
        if not self.token:
            await self.get_token()
        answer = await self.http.get(path, params=params, headers={"authorization": self.token})
        return answer.status_code, wire.loads(answer.content)

    async def batch(self, *imp_uids: str) -> tuple[int, Any]:
        """A batched look-up."""
        return await self.get("/payments", **{"imp_uid[]": list(imp_uids)})

    async def cancel(self, **form: Any) -> Any:
        """`POST /payments/cancel` as JSON; the whole answer."""
        if not self.token:
            await self.get_token()
        headers = {"authorization": self.token, "content-type": "application/json"}
        answer = await self.http.post("/payments/cancel", content=wire.dumps(form), headers=headers)
        return wire.loads(answer.content)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the control API that must do well."""
        answer = await self.http.request(method, f"/_sandbox{path}", content=None if body is None else wire.dumps(body))
        assert answer.is_success, answer.text
        return wire.loads(answer.content)

    async def make(self, **fields: Any) -> dict[str, Any]:
        """Makes or changes a payment."""
        made = await self.control("POST", "/payments", fields)
        assert isinstance(made, dict)
        return made

    async def play(self, name: str, **options: Any) -> list[dict[str, Any]]:
        """Plays a scenario to its end, fast; its payments as they are then."""
        fast = {"speed": 50, "ticket_seconds": 0.05, "deadline": 0}
        played = await self.control("POST", f"/scenarios/{name}?wait=true", fast | options)
        assert played["done"]
        return [await self.control("GET", f"/payments/{imp_uid}") for imp_uid in played["imp_uids"]]


@pytest.fixture
def clock() -> MovableClock:
    """The sandbox's clock."""
    return MovableClock()


@pytest.fixture
async def relay() -> AsyncIterator[WebhookReceiver]:
    """Where the webhooks go."""

    def accepted(_asked: Asked) -> bytes:
        return http(200, {"status": "accepted"})

    relay = WebhookReceiver(reply=accepted)
    await relay.start()
    yield relay
    await relay.stop()


@pytest.fixture
async def iamport(clock: MovableClock, relay: WebhookReceiver) -> AsyncIterator[SandboxClient]:
    """The sandbox."""
    app = build({KEY: SECRET}, f"{relay.url}/webhooks", clock=clock, between_retries=0.05)
    async with serving(app) as url, http_client(url) as client:
        yield SandboxClient(client)
