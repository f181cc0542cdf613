"""The whole relay as real processes around a real Redis; the sandbox is i'mport, and a subscriber remembers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx
from cryptography.fernet import Fernet
from standardwebhooks import Webhook

from schemas import wire
from tests.support.processes import PATIENCE, Process, Processes

TOKEN = "operator-token"
KEY = Fernet.generate_key().decode()


class Heard:
    """A subscriber on a socket: remembers every callback, and answers as it is told (200 unless told)."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.answer: Callable[[int], tuple[int, float]] = lambda _count: (200, 0)
        """Gives the status and how many seconds to take for the n-th request, counted from 1."""
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/hook"

    @property
    def events(self) -> list[dict[str, Any]]:
        """The bodies of the callbacks so far, parsed, in the order they came."""
        return [wire.loads(body) for _, body in self.requests]

    def types(self, imp_uid: str | None = None) -> list[str]:
        """The types of the callbacks so far, of one payment or of all, without their prefix."""
        return [
            event["type"].removeprefix("payment.")
            for event in self.events
            if imp_uid is None or event["data"]["imp_uid"] == imp_uid
        ]

    def verify(self, secret: str) -> None:
        """Check every signature with the reference library; it raises for a wrong one."""
        for headers, body in self.requests:
            Webhook(secret).verify(body, headers)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.split("\r\n")[1:-2]
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                self.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
                status, seconds = self.answer(len(self.requests))
                if seconds:
                    await asyncio.sleep(seconds)
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
        finally:
            self._open.discard(writer)


class Stack:
    """One relay. ``receiver``, ``worker`` and ``console`` are its processes, ``api`` and ``sandbox`` clients."""

    def __init__(self, processes: Processes, redis_url: str, free_port: Callable[[], int], environ: Mapping[str, str]):
        self._processes = processes
        self._ports = {name: free_port() for name in ("receiver", "console", "sandbox")}
        self.environ = {
            "REDIS_URL": redis_url,
            "IMP_API_URL": self.url("sandbox"),
            "IMP_KEY": "key",
            "IMP_SECRET": "secret",
            "RELAY_API_TOKEN": TOKEN,
            "RELAY_ENCRYPTION_KEY": KEY,
            "RELAY_ALLOW_PRIVATE_ENDPOINTS": "true",
            "RELAY_ALLOWED_IPS": "127.0.0.1",
            "RELAY_RETRY_SCHEDULE": "200ms,500ms,1s,1s,1s",
            "RELAY_FETCH_SCHEDULE": "200ms,500ms,1s",
            "RELAY_UNKNOWN_SCHEDULE": "300ms,300ms",
            "RELAY_PENDING_SCHEDULE": "500ms",
            "RELAY_EXPIRY_GRACE": "0s",
            "RELAY_CONSOLE_URL": self.url("console"),
            **environ,
        }
        self.api = httpx.AsyncClient(
            base_url=self.url("console"), headers={"authorization": f"Bearer {TOKEN}"}, timeout=PATIENCE
        )
        self.sandbox = httpx.AsyncClient(base_url=self.url("sandbox"), timeout=PATIENCE)
        self.intake = httpx.AsyncClient(base_url=self.url("receiver"), timeout=PATIENCE)
        self.heard = Heard()

    def url(self, name: str) -> str:
        """Where the receiver, the console or the sandbox listens."""
        return f"http://127.0.0.1:{self._ports[name]}"

    async def start(self) -> None:
        """Start everything and wait until it works."""
        webhooks = self.url("receiver") + "/webhooks"
        self.i_mport = self._run("sandbox", "sandbox", SANDBOX_WEBHOOK_URL=webhooks)
        self.receiver = self.start_receiver()
        self.console = self._run("console", "console")
        self.worker = self.start_worker()
        await self.heard.start()
        await self.receiver.ready(self.url("receiver") + "/readyz")
        await self.console.ready(self.url("console") + "/livez")
        await self.i_mport.listening(self._ports["sandbox"])
        await self.worker.logged("worker_ready")

    def start_receiver(self) -> Process:
        """One more receiver at the same port (after another has ended)."""
        return self._run("receiver", "receiver")

    def start_worker(self, **environ: str) -> Process:
        """One more worker."""
        return self._processes.python("workers", **{**self.environ, **environ})

    async def stop(self) -> None:
        """Close the clients; the processes are ended by their fixture."""
        for client in (self.api, self.sandbox, self.intake):
            await client.aclose()
        await self.heard.stop()

    async def endpoint(self, **fields: Any) -> dict[str, Any]:
        """Subscribe the subscriber (or another ``url``); the endpoint as the API gives it, with its secret."""
        answer = await self.api.post("/v1/endpoints", json={"merchant": "default", "url": self.heard.url, **fields})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def webhook(
        self, imp_uid: str, status: str = "paid", path: str = "/webhooks", **fields: Any
    ) -> httpx.Response:
        """Post a webhook as i'mport does."""
        return await self.intake.post(
            path, json={"imp_uid": imp_uid, "merchant_uid": "order", "status": status, **fields}
        )

    async def payment_at_iamport(self, **fields: Any) -> dict[str, Any]:
        """Make or change a payment at i'mport, without a webhook."""
        answer = await self.sandbox.post("/_sandbox/payments", json=fields)
        assert answer.status_code in (200, 201), answer.text
        row: dict[str, Any] = answer.json()
        return row

    async def play(self, scenario: str, **options: Any) -> list[str]:
        """Play a scenario of the sandbox to its end; the imp_uids of its payments."""
        answer = await self.sandbox.post(f"/_sandbox/scenarios/{scenario}?wait=true", json=options)
        assert answer.status_code == 200, answer.text
        imp_uids: list[str] = answer.json()["imp_uids"]
        return imp_uids

    async def payment(self, imp_uid: str, merchant: str = "default") -> dict[str, Any]:
        """A payment as the operator API shows it; empty while it knows none."""
        answer = await self.api.get(f"/v1/payments/{imp_uid}", params={"merchant": merchant})
        row: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return row

    async def until(self, holds: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
        """Wait until ``holds()`` (a value, or something to await) is true; gives it."""
        ends = time.monotonic() + within
        while True:
            value = holds()
            if asyncio.iscoroutine(value):
                value = await value
            if value:
                return value
            assert time.monotonic() < ends, f"waited in vain until {what}: heard {self.heard.types()}"
            await asyncio.sleep(0.05)

    async def until_heard(self, *types: str, imp_uid: str | None = None, within: float = PATIENCE) -> None:
        """Wait until exactly these types were heard, in this order, of a payment or of all."""
        await self.until(lambda: len(self.heard.types(imp_uid)) >= len(types), f"{types} are heard", within)
        assert list(types) == self.heard.types(imp_uid)

    def _run(self, module: str, name: str, **environ: str) -> Process:
        return self._processes.python(module, **{**self.environ, "PORT": str(self._ports[name]), **environ})
