"""The relay under test: two receivers, two workers, a Redis and a history, with a breakable network between them."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, closing
from typing import Self

import redis.asyncio
from cryptography.fernet import Fernet

from ledger import Ledger
from runtime.encryption import Sealer
from schemas.endpoints.endpoint import Endpoint, SealedSecret
from schemas.errors import LedgerUnavailable
from tests.chaos.counterparts import Iamport, Subscriber
from tests.chaos.databases import HistoryDatabase, SqliteDatabase
from tests.chaos.load import Load
from tests.chaos.shop import Shop
from tests.support.ledger_redis import CELLS
from tests.support.ledger_state import LedgerState, ledger_state
from tests.support.processes import Process, Processes
from tests.support.proxies import RedisProxy, TcpProxy
from tests.support.redis_process import RedisServer
from tests.support.waiting import PATIENCE, until

SECRET = "whsec_" + "c2VjcmV0LXBsYW50ZWQtaW4tdGhlLXRlc3Q="
IMP_SECRET = "planted-imp-secret-of-the-merchant"
ENDPOINTS = ("ordered", "other")
"""One keeps the order of a payment's events, the other takes them as they come."""


class House:
    """Starts everything. ``reach`` gives the URL by which a process reaches Redis, through a proxy's port; ``primary``
    is the port of the Redis that has the ledger now, where that changes. ``history`` is a file unless one is given."""

    def __init__(
        self, processes: Processes, server: RedisServer, free_port: Callable[[], int], seed: int,
        environ: Mapping[str, str], reach: Callable[[int], str] = "redis://127.0.0.1:{}/0".format,
        primary: Callable[[], int] | None = None, history: HistoryDatabase | None = None,
    ) -> None:  # fmt: skip
        self.rng = random.Random(seed)
        self.redis = server
        self.history = history or SqliteDatabase(processes.directory / "var" / "history.db")
        self.shop = Shop(random.Random(seed + 1), int(time.time()) - 1800)
        self.iamport = Iamport(self.shop, random.Random(seed + 2))
        self.subscriber = Subscriber(random.Random(seed + 3))
        self.ports = (free_port(), free_port())
        self.redis_ways = {
            name: RedisProxy(server.port, random.Random(f"{seed} {name}"))
            for name in ("receivers", "worker-0", "worker-1", "queue")
        }
        self.ways: dict[str, TcpProxy] = dict(self.redis_ways)
        self.workers: list[Process] = []
        self.receivers: list[Process] = []
        self._reach = reach
        self._primary = primary or (lambda: server.port)
        self._processes = processes
        self._environ = environ
        self._key = Fernet.generate_key().decode()

    async def __aenter__(self) -> Self:
        await self.iamport.start()
        await self.subscriber.start()
        self.ways |= {"iamport": TcpProxy(self.iamport.port), "subscriber": TcpProxy(self.subscriber.port)}
        for way in self.ways.values():
            await way.start()
        await self.history.__aenter__()
        self.ledger = Ledger.connect(self._reach(self.redis.port), self._queue(), cells=CELLS)
        await self.subscribe()
        self.receivers = [self.start_receiver(number) for number in range(2)]
        self.workers = [self.start_worker(number) for number in range(2)]
        for process in self.workers:
            await process.logged("worker_ready")
        for process, port in zip(self.receivers, self.ports, strict=True):
            await process.ready(f"http://127.0.0.1:{port}/readyz")
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in (*self.receivers, *self.workers):
            process.clean_up()
        await self.ledger.close()
        for way in self.ways.values():
            await way.stop()
        await self.history.__aexit__(None, None, None)
        await self.iamport.stop()
        await self.subscriber.stop()

    def start_receiver(self, number: int) -> Process:
        """One of the two receivers; each has a spool folder of its own, as on two machines."""
        return self._start("receiver", "receivers", PORT=str(self.ports[number]), RELAY_SPOOL_DIR=f"spool-{number}")

    def start_worker(self, number: int, **environ: str) -> Process:
        """One of the two workers."""
        return self._start("workers", f"worker-{number}", **environ)

    def load(self, rate: float) -> Load:
        """Webhooks at this rate, to both receivers."""
        return Load(self.shop, self.ports, self.rng, rate)

    def shop_steps(self) -> list[tuple[str, int, str]]:
        """Everything that happened: imp_uid, which step of that payment, the event's type without its prefix."""
        return [
            (payment.imp_uid, step, event)
            for payment in self.shop.payments.values()
            for step, event in enumerate(payment.told, start=1)
        ]

    def state(self) -> AbstractAsyncContextManager[LedgerState]:
        """The ledger's state, past the proxies."""
        return ledger_state(f"redis://127.0.0.1:{self._primary()}/0")

    def directly(self) -> redis.asyncio.Redis:
        """A client of Redis itself, past the proxies."""
        return redis.asyncio.Redis(port=self.redis.port, socket_timeout=5)

    async def recorded(self, within: float) -> None:
        """Wait until history has all that the ledger has to tell it."""

        async def nothing_waits() -> bool:
            async with self.state() as state:
                is_rewriting = await state.is_rewriting()
            return not is_rewriting and (await self.ledger.outbox.state()).waiting == 0

        await until(nothing_waits, "history has everything", within, every=0.1, despite=(LedgerUnavailable,))

    async def settled(self, within: float) -> None:
        """Wait until nothing is due, leased or spooled any more, while everything is well."""
        left = ""

        async def nothing_left() -> bool:
            nonlocal left
            left = await self._left()
            return left == ""

        await until(nothing_left, lambda: f"nothing is left: {left}", within, every=0.25)

    async def _left(self) -> str:
        """What is still to be done, in words."""
        left = {"spooled": self._spooled()}
        async with self.state() as state:
            for lane in ("refresh/default", "unknown/default"):
                # Virtual accounts are refreshed again at their deadlines; that is not now.
                left[lane] = await state.waiting(lane, before=time.time() + 3600)
            for name in ENDPOINTS:
                left[name] = await state.pending(name)
            left["notifications"] = await state.pending()
            left["rewriting"] = await state.is_rewriting()
        left["outbox"] = (await self.ledger.outbox.state()).waiting
        return ", ".join(f"{what}: {count}" for what, count in left.items() if count)

    def _spooled(self) -> int:
        """The webhooks that wait in the receivers' spools."""
        count = 0
        for file in self._processes.directory.glob("spool-*/spool-*.sqlite"):
            with closing(sqlite3.connect(file, timeout=PATIENCE)) as spool:
                count += spool.execute("SELECT count(*) FROM waiting").fetchone()[0]
        return count

    async def restore(self) -> None:
        """What an operator does where Redis has lost everything."""
        process = self._start("cli.main", "queue", "restore", "--json")
        assert await process.ended() == 0, process.output

    def _start(self, module: str, way: str, *arguments: str, **environ: str) -> Process:
        url = self._reach(self.ways[way].port)
        return self._processes.python(module, *arguments, **{
            "REDIS_URL": url, "RELAY_QUEUE_URL": self._queue(), "IMP_API_URL": f"http://127.0.0.1:{self.ways['iamport'].port}",
            "IMP_KEY": "key", "IMP_SECRET": IMP_SECRET, "RELAY_ENCRYPTION_KEY": self._key,
            "RELAY_HISTORY_URL": self.history.reached_at,
            "RELAY_ALLOW_PRIVATE_ENDPOINTS": "true", "RELAY_ALLOWED_IPS": "127.0.0.1", "RELAY_RECONCILE_EVERY": "0s",
            "RELAY_RETRY_SCHEDULE": ",".join(["200ms", "500ms", *["1s"] * 200]), "RELAY_DELIVERY_TIMEOUT": "2s",
            "RELAY_FETCH_SCHEDULE": "200ms,500ms,1s", "RELAY_UNKNOWN_SCHEDULE": "300ms,300ms",
            **self._environ, **environ,
        })  # fmt: skip

    def _queue(self) -> str:
        return self._reach(self.ways["queue"].port).removesuffix("/0") + "/1"

    async def subscribe(self) -> None:
        """Add the endpoints."""
        sealed = SealedSecret(Sealer([self._key]).seal(SECRET))
        for name in ENDPOINTS:
            url = f"http://127.0.0.1:{self.ways['subscriber'].port}/{name}"
            await self.ledger.endpoints.create(
                Endpoint(
                    id=name, merchant="default", url=url, types=("payment.*",), description="", max_in_flight=32,
                    ordered=name == "ordered", rate_limit=None, headers="", payload="full", secrets=(sealed,),
                )
            )  # fmt: skip
