"""Recording in real processes: the worker that records is killed at each of its steps, two record at once, PostgreSQL
is away under load. Afterwards history has everything exactly once, and nobody had to wait for it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import msgpack
import psycopg
import pytest
import pytest_asyncio
import redis

from history import tables
from tests.support.histories import until_recorded
from tests.support.history_rows import differences, rows_of_history, rows_of_ledger
from tests.support.ledger_state import ledger_state
from tests.support.postgres import Postgres
from tests.support.processes import Process, Processes, clean_environ
from tests.support.proxies import Command, RedisProxy
from tests.support.redis_process import RedisServer
from tests.support.relay import Relay
from tests.support.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Recording:
    """A relay, its Redis, the way of its workers to it, its history, what was paid so far, and its workers so far."""

    relay: Relay
    redis: RedisServer
    way: RedisProxy
    history_url: str
    paid: list[str]
    workers: list[Process]

    async def start_worker(self) -> Process:
        """One more worker, on that way."""
        worker = self.relay.start_worker(REDIS_URL=self.way.url)
        self.workers.append(worker)
        await worker.logged("worker_ready")
        return worker

    async def replace_workers(self) -> None:
        """End all workers, and start one on that way."""
        self.way.heal()
        await asyncio.gather(*(worker.terminate() for worker in self.workers))
        self.workers.clear()
        self.relay.worker = await self.start_worker()

    async def pay(self, count: int = 1) -> None:
        """So many payments are made, and their webhooks acknowledged."""
        for _ in range(count):
            imp_uid = f"imp_r{len(self.paid)}"
            now = int(time.time())
            await self.relay.payment_at_iamport(imp_uid=imp_uid, status="paid", paid_at=now, amount=1004)
            self.paid.append(imp_uid)
            assert (await self.relay.webhook(imp_uid)).status_code == 200

    @property
    def told(self) -> list[str]:
        """The payments that the subscriber was told of, once for each callback."""
        return [event["data"]["imp_uid"] for event in self.relay.subscriber.events]

    async def waits(self) -> bool:
        """Whether history lacks something."""
        return bool(await self._waiting())

    async def until_waiting(self) -> None:
        """Wait until history lacks something."""
        await until(self._waiting, "something waits for the recorder")

    async def settled(self) -> None:
        """Everything is told and recorded; history has what the ledger and the subscriber have, each once."""
        await self.relay.until(lambda: set(self.told) == set(self.paid), "every payment is told")
        await self.relay.until_idle()
        await until(self._nothing_pending, "every delivery is settled")
        await until_recorded(self.relay.ledger)
        async with ledger_state(self.relay.environ["REDIS_URL"]) as state:
            ledger, history = await rows_of_ledger(state), await rows_of_history(self.history_url)
        assert differences(history, ledger) == []
        assert sorted(imp_uid for imp_uid, *_ in history.events.values()) == sorted(self.paid)
        assert {event["id"] for event in self.relay.subscriber.events} == history.events.keys()
        assert [state for state, _ in history.deliveries.values()] == ["delivered"] * len(self.paid)
        assert set(history.notifications.values()) <= {"applied", "unchanged"}
        assert len(history.notifications) == len(self.paid)

    async def _waiting(self) -> int:
        return (await self.relay.ledger.outbox.state()).waiting

    async def _nothing_pending(self) -> bool:
        # One whose worker was killed after it was sent is sent again when its lease ends.
        return (await self.relay.ledger.stats()).pending == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["sqlite", "postgresql"])
async def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> AsyncIterator[Recording]:
    """A relay with a Redis of its own, one for each database that history may be in."""
    folder = tmp_path_factory.mktemp("recording")
    if request.param == "sqlite":
        history_url = f"sqlite:///{folder / 'history.db'}"
    else:
        history_url = request.getfixturevalue("postgres_server").create()
    redis, processes = RedisServer(free_port(), folder / "redis"), Processes(folder, clean_environ())
    redis.start()
    try:
        async with _recording(redis, processes, free_port, history_url) as recording:
            yield recording
    finally:
        processes.end()
        redis.kill()


@pytest_asyncio.fixture(loop_scope="module")
async def recording(shared: Recording) -> Recording:
    """This relay with one worker, a new one."""
    await shared.replace_workers()
    return shared


@asynccontextmanager
async def _recording(
    redis: RedisServer, processes: Processes, free_port: Callable[[], int], history_url: str
) -> AsyncIterator[Recording]:
    async with RedisProxy(redis.port) as way:
        relay = Relay(processes, redis.url, free_port, {"RELAY_HISTORY_URL": history_url})
        try:
            await relay.start()
            await relay.endpoint()
            recording = Recording(relay, redis, way, history_url, [], [])
            await relay.worker.terminate()
            async with ledger_state(redis.url) as state:
                await state.redis.script_flush()  # the next worker's scripts come by the proxy, which then knows them
            relay.worker = await recording.start_worker()
            yield recording
        finally:
            await relay.stop()


@pytest.mark.parametrize("script", ["take_lead", "read_items", "trim_outbox"])
async def test_killed_at_a_command(recording: Recording, script: str) -> None:
    """SIGKILL as it sends this command: before it reads, instead of reading, and after it has committed."""
    await recording.pay()
    await recording.settled()
    worker, died = recording.relay.worker, asyncio.Event()

    def die(command: Command) -> str | None:
        if not died.is_set() and recording.way.runs(command, script):
            died.set()
            worker.clean_up()
            return "ERR nobody reads this"
        return None

    await recording.pay()
    recording.way.refuse = die
    await recording.pay()
    await until(died.is_set, f"the worker calls {script}")
    recording.way.heal()
    await recording.pay()
    await recording.start_worker()
    await recording.settled()


@pytest.mark.parametrize("refused", ["xadd", "xrange", "xtrim"])
async def test_what_redis_refuses_for_a_while_is_recorded(recording: Recording, refused: str) -> None:
    """The relay may not use a command of the outbox while webhooks come, payments are refreshed and callbacks answered;
    the worker that ran meanwhile is killed."""
    await recording.pay()
    await recording.settled()
    with redis.Redis.from_url(recording.redis.url) as administrator:
        paying = asyncio.create_task(recording.pay(20))
        administrator.execute_command("ACL", "SETUSER", "default", f"-{refused}")
        try:
            await recording.relay.worker.logged("redis_refused")
            await paying
        finally:
            administrator.execute_command("ACL", "SETUSER", "default", f"+{refused}")
            await asyncio.wait([paying])
    await recording.relay.worker.kill()
    await recording.start_worker()
    await recording.settled()


async def test_an_entry_of_a_newer_version_waits(recording: Recording) -> None:
    """Nothing behind it is recorded, and nothing skipped, until a worker that knows it has taken it."""
    await recording.pay()
    await recording.settled()
    async with ledger_state(recording.relay.environ["REDIS_URL"]) as state:
        newer = await state.append_entry(msgpack.packb([99, "payment", "?"]))
        try:
            await recording.pay(3)
            await recording.relay.worker.logged("outbox_not_readable")
            await recording.relay.worker.kill()
            recording.relay.worker = await recording.start_worker()
            await recording.relay.worker.logged("outbox_not_readable")
            await recording.relay.until(lambda: set(recording.told) == set(recording.paid), "every payment is told")
            assert await recording.waits()
        finally:
            await state.remove_entry(newer)
    await recording.settled()


@contextmanager
def held(url: str, table: str) -> Iterator[None]:
    """Nothing is written into this table for as long as this lasts; into none at all of an SQLite file."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///"), 60, isolation_level=None) as file:
            file.execute("BEGIN IMMEDIATE")
            yield
            file.execute("ROLLBACK")
        return
    with psycopg.connect(url) as connection:
        connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE".encode())
        yield


@pytest.mark.parametrize("table", [tables.place.name, tables.event.name])
async def test_killed_between_reading_and_committing(recording: Recording, table: str) -> None:
    """SIGKILL before it has written anything, and in the middle of a transaction."""
    await recording.pay()
    await recording.settled()
    read = asyncio.Event()

    def notice(command: Command) -> None:
        if recording.way.runs(command, "read_items"):
            read.set()

    with held(recording.history_url, table):
        await recording.pay(3)
        await recording.until_waiting()
        recording.way.refuse = notice
        await until(lambda: read.is_set() or _is_stuck(recording), "a recorder has read, or waits for the lock")
        await recording.relay.worker.kill()
    recording.way.heal()
    await recording.start_worker()
    await recording.settled()


def _is_stuck(recording: Recording) -> bool:
    """Whether a transaction waits for a lock."""
    if recording.history_url.startswith("sqlite"):
        return False
    with psycopg.connect(recording.history_url) as connection:
        return connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone() is not None


async def test_two_record_at_once(recording: Recording) -> None:
    """Neither knows of the other: who records is forgotten again and again, in the middle of it."""
    await recording.start_worker()
    over = asyncio.Event()
    seen: set[str] = set()

    async def forget() -> None:
        async with ledger_state(recording.relay.environ["REDIS_URL"]) as state:
            while not over.is_set():
                seen.add(await state.leader("record") or "")
                await state.depose("record")
                await asyncio.sleep(0.002)

    forgetting = asyncio.create_task(forget())
    try:
        async with asyncio.timeout(60):
            while len(seen - {""}) < 2:  # who waits to record tries once in a while, and may find that another does
                await recording.pay(20)
        await recording.pay(60)
        await recording.settled()
    finally:
        over.set()
        await forgetting


async def test_postgresql_is_away_under_load(
    own_redis: RedisServer, processes: Processes, free_port: Callable[[], int], own_postgres: Postgres
) -> None:
    """Webhooks are acknowledged and callbacks come all the while; afterwards history has everything."""
    async with _recording(own_redis, processes, free_port, own_postgres.create("recording")) as recording:
        await recording.pay(5)
        await asyncio.to_thread(own_postgres.kill)
        try:
            ends = time.monotonic() + 4
            while time.monotonic() < ends:
                await recording.pay(5)
                await asyncio.sleep(0.1)
            await recording.relay.until(lambda: set(recording.told) == set(recording.paid), "every payment is told")
            await recording.relay.worker.logged("history_away")
        finally:
            await asyncio.to_thread(own_postgres.start)
        await recording.pay(5)
        await recording.settled()
