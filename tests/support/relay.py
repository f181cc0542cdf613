"""One relay for all tests of a file: a start costs seconds, so tests are apart by payments and merchants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio
import redis

from ledger import Ledger
from schemas import wire
from tests.support.processes import Process, Processes, clean_environ
from tests.support.redis_process import RedisServer
from tests.support.stack import Heard, Stack


class Relay(Stack):
    """A `Stack` with the verbs of tests that share it. ``ledger`` is the same ledger, seen from the test."""

    ledger: Ledger

    def __init__(self, processes: Processes, redis_url: str, free_port: Callable[[], int], environ: Mapping[str, str]):
        super().__init__(processes, redis_url, free_port, environ)
        self.free_port = free_port

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

    async def events(self, imp_uid: str, merchant: str = "default") -> list[dict[str, Any]]:
        """What was recorded of a payment, in its sequence."""
        answer = await self.api.get("/v1/events", params={"merchant": merchant, "imp_uid": imp_uid, "limit": 200})
        rows: list[dict[str, Any]] = wire.loads(answer.content)["data"]
        return sorted(rows, key=lambda row: int(row["data"]["sequence"]))

    async def told(self, imp_uid: str, merchant: str = "default") -> list[str]:
        """The types of these events, without their prefix."""
        return [event["type"].removeprefix("payment.") for event in await self.events(imp_uid, merchant)]

    async def until_told(self, imp_uid: str, *types: str, merchant: str = "default") -> list[dict[str, Any]]:
        """Wait until as many events are recorded of a payment; exactly these, with sequences without a gap."""

        async def enough() -> bool:
            return len(await self.told(imp_uid, merchant)) >= len(types)

        await self.until(enough, f"{types} are recorded of {imp_uid}")
        rows = await self.events(imp_uid, merchant)
        assert list(types) == [row["type"].removeprefix("payment.") for row in rows]
        first = int(rows[0]["data"]["sequence"]) if rows else 0
        assert list(range(first, first + len(rows))) == [row["data"]["sequence"] for row in rows]
        return rows

    async def until_standing(self, imp_uid: str, status: str, merchant: str = "default") -> dict[str, Any]:
        """Wait until a payment stands like this; the payment."""

        async def stands() -> dict[str, Any] | None:
            payment = await self.payment(imp_uid, merchant)
            return payment if payment.get("status") == status else None

        payment: dict[str, Any] = await self.until(stands, f"{imp_uid} is {status}")
        return payment

    async def until_quiet(self, merchant: str = "default") -> None:
        """Wait until every notification is settled and no look is due."""

        async def nothing_waits() -> bool:
            pending = await self.api.get("/v1/notifications", params={"merchant": merchant, "outcome": "pending"})
            stats = await self.api.get("/v1/stats")
            return not pending.json()["data"] and not stats.json()["refresh"]["due"]

        await self.until(nothing_waits, f"nothing waits for {merchant}")

    async def subscribe(self, merchant: str = "default", **fields: Any) -> Heard:
        """A subscriber of its own for a merchant."""
        heard = Heard()
        await heard.start()
        self._others.append(heard)
        await self.endpoint(merchant=merchant, url=heard.url, **fields)
        return heard

    def start_process(self, module: str, **environ: str) -> Process:
        """One more receiver or console; ``PORT`` says where."""
        return self._processes.python(module, **{**self.environ, **environ})

    async def start(self) -> None:
        """Start everything and wait until it works."""
        self._others: list[Heard] = []
        self.ledger = Ledger.connect(self.environ["REDIS_URL"], self.environ["REDIS_URL"].replace("/0", "/1"))
        await super().start()

    async def stop(self) -> None:
        """Close what was opened; the processes are ended by their fixture."""
        for heard in self._others:
            await heard.stop()
        await self.ledger.close()
        await super().stop()


def one_relay(**environ: str) -> Any:
    """A fixture of a file: one relay with these environment variables on top of the usual ones."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def relay(
        redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
    ) -> AsyncIterator[Relay]:
        with redis.Redis.from_url(redis_server.url) as client:
            client.flushall()
        processes = Processes(tmp_path_factory.mktemp("relay"), clean_environ())
        stack = Relay(processes, redis_server.url, free_port, environ)
        try:
            await stack.start()
            yield stack
            await stack.stop()
        finally:
            processes.end()

    return relay


Story = Callable[[Any], Awaitable[None]]


def side_by_side(stories: Sequence[Story]) -> Any:
    """A fixture of a file: stories that mostly wait, told at the same time to one relay; each by its name."""

    @pytest_asyncio.fixture(scope="module", loop_scope="module")
    async def told(relay: Relay) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
        tasks = {story.__name__: asyncio.create_task(_told(story, relay)) for story in stories}
        yield tasks
        for task in tasks.values():
            task.cancel()

    return told


async def _told(story: Story, relay: Relay) -> None:
    await story(relay)
