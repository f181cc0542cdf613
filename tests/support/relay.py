"""The whole relay as real processes around a real Redis; the sandbox is i'mport, and a subscriber records callbacks."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet

from ledger import Ledger
from schemas import wire
from tests.support.clients import http_client, seeing_its_writes
from tests.support.ledger_redis import CELLS
from tests.support.processes import Process, Processes
from tests.support.redis_process import queue_url
from tests.support.subscribers import RecordingSubscriber
from tests.support.waiting import PATIENCE, until

TOKEN = "operator-token"
KEY = Fernet.generate_key().decode()
REQUESTED = "cancellation_pending"
_numbers = itertools.count(1)


class Relay:
    """One relay. ``receiver``, ``worker``, ``console`` and ``i_mport`` are its processes; ``api``, ``intake`` and
    ``sandbox`` clients; ``ledger`` is its ledger, seen from the test; ``subscriber`` records callbacks."""

    def __init__(self, processes: Processes, redis_url: str, free_port: Callable[[], int], environ: Mapping[str, str]):
        self._processes = processes
        self._ports = {name: free_port() for name in ("receiver", "console", "sandbox")}
        self.subscriber = RecordingSubscriber()
        self._subscribers = [self.subscriber]
        self.free_port = free_port
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
        headers = {"authorization": f"Bearer {TOKEN}"}
        self.api = seeing_its_writes(self.url("console"), headers=headers)
        self.sandbox = http_client(self.url("sandbox"))
        self.intake = http_client(self.url("receiver"))
        ledger = self.environ["REDIS_URL"]
        queue = self.environ.get("RELAY_QUEUE_URL", queue_url(ledger))
        self.ledger = Ledger.connect(ledger, queue, cells=int(self.environ.get("RELAY_CELLS", CELLS)))

    def url(self, name: str) -> str:
        """Where the receiver, the console or the sandbox listens."""
        return f"http://127.0.0.1:{self._ports[name]}"

    @property
    def directory(self) -> Path:
        """Where its processes run."""
        return self._processes.directory

    async def start(self) -> None:
        """Start everything and wait until it works."""
        self.i_mport = self._start_iamport()
        self.receiver = self.start_receiver()
        self.console = self.start_console()
        self.worker = self.start_worker()
        await self.subscriber.start()
        await asyncio.gather(
            self.receiver.ready(self.url("receiver") + "/readyz"),
            self.console.ready(self.url("console") + "/livez"),
            self.i_mport.listening(self._ports["sandbox"]),
            self.worker.logged("worker_ready"),
        )

    def _start_iamport(self) -> Process:
        return self._start("sandbox", SANDBOX_WEBHOOK_URL=self.url("receiver") + "/webhooks")

    async def start_iamport(self) -> None:
        """Start the sandbox again, after it has ended."""
        self.i_mport = self._start_iamport()
        await self.i_mport.listening(self._ports["sandbox"])

    async def stop(self) -> None:
        """Close what was opened; the processes are ended by their fixture."""
        for client in (self.api, self.sandbox, self.intake):
            await client.aclose()
        for subscriber in self._subscribers:
            await subscriber.stop()
        await self.ledger.close()

    def start_process(self, module: str, *arguments: str, **environ: str) -> Process:
        """One more process of any kind; ``PORT`` says where it listens."""
        return self._processes.python(module, *arguments, **{**self.environ, **environ})

    def start_receiver(self, **environ: str) -> Process:
        """One more receiver at the same port (after another has ended)."""
        return self._start("receiver", **environ)

    def start_console(self, **environ: str) -> Process:
        """One more console at the same port (after another has ended)."""
        return self._start("console", **environ)

    def start_worker(self, **environ: str) -> Process:
        """One more worker."""
        return self.start_process("workers", **environ)

    async def lose_history(self) -> None:
        """Take history's file away, and start worker and console again."""
        await asyncio.gather(self.worker.terminate(), self.console.terminate())
        for file in (self.directory / "var").glob("history.db*"):
            file.unlink()
        self.console = self.start_console()
        self.worker = self.start_worker()
        await asyncio.gather(self.console.ready(self.url("console") + "/readyz"), self.worker.logged("worker_ready"))

    async def replace_worker(self) -> None:
        """Start another worker in the place of one that has ended, and wait until it works."""
        self.worker = self.start_worker()
        await self.worker.logged("worker_ready")

    @asynccontextmanager
    async def open_receiver(self) -> AsyncIterator[httpx.AsyncClient]:
        """One more receiver, which accepts webhooks from any address and verifies none of them."""
        url = f"http://127.0.0.1:{self.free_port()}"
        receiver = self.start_process("receiver", PORT=url.rpartition(":")[2], RELAY_ALLOWED_IPS="")
        await receiver.ready(f"{url}/readyz")
        async with http_client(url) as client:
            yield client

    async def endpoint(self, **fields: Any) -> dict[str, Any]:
        """Subscribe the subscriber (or another ``url``); the endpoint as the API gives it, with its secret."""
        body = {"merchant": "default", "url": self.subscriber.url, **fields}
        answer = await self.api.post("/v1/endpoints", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    async def subscribe(self, merchant: str = "default", **fields: Any) -> RecordingSubscriber:
        """A subscriber of its own for a merchant."""
        subscriber = RecordingSubscriber()
        await subscriber.start()
        self._subscribers.append(subscriber)
        await self.endpoint(merchant=merchant, url=subscriber.url, **fields)
        return subscriber

    async def merchant(self, name: str, **fields: Any) -> dict[str, Any]:
        """Add a merchant with credentials of its own, which i'mport knows."""
        keys = {"imp_key": f"key-{name}", "imp_secret": f"secret-{name}"}
        (await self.sandbox.post("/_sandbox/accounts", json=keys)).raise_for_status()
        answer = await self.api.put(f"/v1/merchants/{name}", json={**keys, **fields})
        assert answer.status_code in (200, 201), answer.text
        row: dict[str, Any] = answer.json()
        return row

    async def trouble(self, merchant: str) -> str | None:
        """Why i'mport cannot be asked for a merchant, as operators see it."""
        text: str | None = (await self.api.get(f"/v1/merchants/{merchant}")).json()["trouble"]
        return text

    async def webhook(
        self, imp_uid: str, status: str = "paid", path: str = "/webhooks", **fields: Any
    ) -> httpx.Response:
        """Post a webhook as i'mport does."""
        body = {"imp_uid": imp_uid, "merchant_uid": "order", "status": status, **fields}
        return await self.intake.post(path, json=body)

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

    async def paid(self, *, merchant: str = "default", path: str = "/webhooks", **fields: Any) -> str:
        """A payment of 1004 that the relay knows as paid; its imp_uid."""
        usual = {"imp_uid": f"imp_p{next(_numbers)}", "status": "paid", "paid_at": int(time.time()), "amount": 1004}
        imp_uid: str = (await self.payment_at_iamport(**usual | fields))["imp_uid"]
        await self.webhook(imp_uid, path=path)
        await self.until_recorded(imp_uid, "paid", merchant=merchant)
        return imp_uid

    async def cancel(self, imp_uid: str, **fields: Any) -> httpx.Response:
        """Ask the relay to cancel."""
        return await self.api.post(f"/v1/payments/{imp_uid}/cancellations", json=fields)

    async def faults(self, **fault: Any) -> None:
        """Switch i'mport's faults on, or off where none is named."""
        answer = await self.sandbox.post("/_sandbox/faults", json=fault)
        assert answer.status_code == 200, answer.text

    async def asked(self, path: str) -> list[dict[str, Any]]:
        """The requests that i'mport got at this path, oldest first."""
        rows = (await self.sandbox.get("/_sandbox/requests")).json()["requests"]
        return [row for row in rows if row["path"] == path]

    async def forget_requests(self) -> None:
        """Let i'mport's journal begin again."""
        await self.sandbox.delete("/_sandbox/requests")

    async def list_all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every row of a list of the API, page by page."""
        rows: list[dict[str, Any]] = []
        query |= {"limit": 200}
        while query.get("cursor", "") is not None:
            answer = await self.api.get(path, params=query)
            assert answer.status_code == 200, (path, query, answer.text, self.console.logs("operator_call_crashed"))
            page = wire.loads(answer.content)
            rows += page["data"]
            query["cursor"] = page["next_cursor"]
        return rows

    async def payment(self, imp_uid: str, merchant: str = "default") -> dict[str, Any]:
        """A payment as the operator API shows it; empty while it knows none."""
        answer = await self.api.get(f"/v1/payments/{imp_uid}", params={"merchant": merchant})
        row: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        return row

    async def events(self, imp_uid: str, merchant: str = "default") -> list[dict[str, Any]]:
        """The events that are recorded of a payment, by sequence."""
        rows = await self.list_all("/v1/events", merchant=merchant, imp_uid=imp_uid)
        return sorted(rows, key=lambda row: int(row["data"]["sequence"]))

    async def event_types(self, imp_uid: str, merchant: str = "default") -> list[str]:
        """The types of these events, without their prefix."""
        return [event["type"].removeprefix("payment.") for event in await self.events(imp_uid, merchant)]

    async def until(self, holds: Callable[[], Any], what: str, within: float = PATIENCE, *, every: float = 0.05) -> Any:
        """Wait until ``holds()`` (a value, or something to await) is true; gives it."""
        return await until(
            holds,
            lambda: f"{what}; received so far: {self.subscriber.types()}; the worker:\n{self.worker.output[-3000:]}",
            within,
            every=every,
        )

    async def until_received(self, *types: str, imp_uid: str | None = None, within: float = PATIENCE) -> None:
        """Wait until the subscriber has received exactly these types, in this order, of a payment or of all."""
        received = self.subscriber.types
        await self.until(lambda: len(received(imp_uid)) >= len(types), f"{types} are received", within)
        assert list(types) == received(imp_uid)

    async def until_recorded(self, imp_uid: str, *types: str, merchant: str = "default") -> list[dict[str, Any]]:
        """Wait until as many events are recorded of a payment; exactly these, with sequences without a gap."""

        async def enough() -> bool:
            return len(await self.events(imp_uid, merchant)) >= len(types)

        await self.until(enough, f"{types} are recorded of {imp_uid}")
        rows = await self.events(imp_uid, merchant)
        assert list(types) == [row["type"].removeprefix("payment.") for row in rows]
        first = int(rows[0]["data"]["sequence"]) if rows else 0
        assert list(range(first, first + len(rows))) == [row["data"]["sequence"] for row in rows]
        return rows

    async def until_status(self, imp_uid: str, status: str, merchant: str = "default") -> dict[str, Any]:
        """Wait until a payment has this status; the payment."""

        async def has_it() -> dict[str, Any] | None:
            payment = await self.payment(imp_uid, merchant)
            return payment if payment.get("status") == status else None

        payment: dict[str, Any] = await self.until(has_it, f"{imp_uid} is {status}")
        return payment

    async def until_idle(self, merchant: str = "default") -> None:
        """Wait until every notification is settled and no refresh is due."""

        async def nothing_waits() -> bool:
            pending = await self.api.get("/v1/notifications", params={"merchant": merchant, "outcome": "pending"})
            stats = await self.api.get("/v1/stats")
            return not pending.json()["data"] and not stats.json()["refresh"]["due"]

        await self.until(nothing_waits, f"nothing waits for {merchant}")

    def _start(self, module: str, **environ: str) -> Process:
        return self.start_process(module, PORT=str(self._ports[module]), **environ)
