"""The receiver while Redis, disks and the receiver itself are taken away: what got a 200 is in the ledger, once."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import aiohttp
import redis.asyncio

from ledger import Ledger
from ledger.keys import Lane, cell_of
from tests.support.ledger_redis import CELLS
from tests.support.ledger_state import ledger_state
from tests.support.processes import Processes
from tests.support.proxies import Command, RedisProxy
from tests.support.receivers import JSON, Receiver, notified, start, webhook
from tests.support.redis_process import RedisServer
from tests.support.waiting import until


class Load:
    """Clients that post one webhook after the other, each for a payment of its own, until they are stopped; ``pause``
    seconds pass before a client's next one.

    aiohttp needs a sixth of the CPU that httpx does, which the receiver needs more.
    """

    def __init__(self, receiver: Receiver, clients: int = 16, pause: float = 0.0) -> None:
        self._url = f"{receiver.url}/webhooks"
        self._clients = clients
        self._pause = pause
        self._stopping = False
        self._number = 0
        self.statuses: Counter[int] = Counter()
        self.acknowledged: set[str] = set()

    async def __aenter__(self) -> Load:
        self._session = aiohttp.ClientSession(headers=JSON)
        self._tasks = [asyncio.create_task(self._post()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)
        await self._session.close()

    async def acknowledges(self, more: int) -> None:
        """Wait until so many more have been acknowledged."""
        goal = len(self.acknowledged) + more

        async def enough() -> bool:
            return len(self.acknowledged) >= goal

        await until(enough, every=0.01)

    async def _post(self) -> None:
        while not self._stopping:
            self._number += 1
            number = self._number
            try:
                async with self._session.post(self._url, data=webhook(number)) as answer:
                    status = answer.status
            except aiohttp.ClientError:
                self.statuses[0] += 1
                await asyncio.sleep(0.05)
                continue
            self.statuses[status] += 1
            if status == 200:
                self.acknowledged.add(f"imp_{number}")
            await asyncio.sleep(self._pause)


async def drained(receiver: Receiver) -> None:
    """Wait until nothing waits in the receiver's spool and Redis takes webhooks again."""

    async def empty() -> bool:
        waiting, available = [await receiver.metric(f"relay_{name}") for name in ("spool_waiting", "redis_available")]
        return not waiting and bool(available)

    await until(empty)


async def accounted_for(load: Load, redis_url: str) -> None:
    """Check that every acknowledged webhook is in the ledger, and none of all twice."""
    found = await notified(redis_url)
    assert load.acknowledged <= found.keys()
    assert set(found.values()) == {1}


async def test_redis_killed_under_load(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """Redis dies twice in the middle of it: senders get 200 all the while, and nothing is lost or doubled."""
    receiver = await start(processes, free_port(), own_redis.url)
    async with Load(receiver) as load:
        for _ in range(2):
            await load.acknowledges(200)
            await asyncio.to_thread(own_redis.kill)
            await load.acknowledges(200)
            await asyncio.to_thread(own_redis.start)
        await load.acknowledges(200)
    assert load.statuses.keys() == {200}
    await drained(receiver)
    await accounted_for(load, own_redis.url)
    assert await receiver.metric("relay_spool_drained_total") > 0


async def test_an_escrow_change_survives_the_spool(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """What a body held besides waits on disk while Redis is away, and an escrow change waits for a look afterwards; it
    happened when it was received, not when the spool drained."""
    receiver = await start(processes, free_port(), own_redis.url, RELAY_ALLOWED_IPS="127.0.0.1")
    await asyncio.to_thread(own_redis.kill)
    escrow = {"event": "Inicis.Escrow.Changed", "extra": {"escrow_status": "4", "denied_reason": "단순 변심 \ud83d"}}
    before = time.time()
    assert (await receiver.post(webhook(7, **escrow))).status_code == 200
    after = time.time()
    await asyncio.to_thread(own_redis.start)
    await drained(receiver)
    ledger = Ledger.connect(own_redis.url, own_redis.url.removesuffix("/0") + "/1", cells=CELLS)
    lane = Lane("refresh", "default", cell_of("default", CELLS))
    (claimed,) = (await ledger.refresh_lane.claim(lane)).payments
    (noted,) = await ledger.notifications.of_payment("default", claimed.record.imp_uid, 10)
    await ledger.close()
    (change,) = claimed.escrow_changes
    assert (change.code, change.denied_reason) == ("4", "단순 변심 \ufffd")
    assert int(before) <= change.received_at <= after
    assert noted.extra["extra"]["escrow_status"] == "4"


async def test_redis_hanging_under_load(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """A Redis that does not answer costs those who were waiting for it 2 s; what it writes late is written once."""
    receiver = await start(processes, free_port(), own_redis.url)
    async with Load(receiver) as load:
        await load.acknowledges(200)
        own_redis.pause()
        await load.acknowledges(500)
        assert (await receiver.ready())["acknowledges_from"] == "spool"
        own_redis.resume()
        await load.acknowledges(200)
    assert load.statuses.keys() == {200}
    await drained(receiver)
    await accounted_for(load, own_redis.url)


async def test_redis_full_and_read_only(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """A Redis that answers but does not write is no place for webhooks; when it does, the spool drains."""
    receiver = await start(processes, free_port(), own_redis.url)
    async with (
        redis.asyncio.Redis.from_url(own_redis.url, decode_responses=True) as client,
        Load(receiver, clients=4, pause=0.02) as load,
    ):
        await load.acknowledges(50)
        await client.config_set("maxmemory", "1mb")
        await load.acknowledges(50)
        assert await receiver.metric("relay_spool_waiting") > 0
        await client.config_set("maxmemory", "0")
        await drained(receiver)
        await client.replicaof("127.0.0.1", str(free_port()))
        await load.acknowledges(50)
        assert await receiver.metric("relay_spool_waiting") > 0
        await client.replicaof("NO", "ONE")
        await drained(receiver)
    await drained(receiver)
    assert load.statuses.keys() == {200}
    await accounted_for(load, own_redis.url)


async def test_a_receiver_killed_while_it_drains(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """Killed again and again in the middle of draining, receivers hand everything over, each webhook once. Redis is far
    away: the next batch takes its time."""
    receiver = await start(processes, free_port(), own_redis.url)
    await asyncio.to_thread(own_redis.kill)
    async with Load(receiver) as load:
        await load.acknowledges(1500)
    await receiver.process.kill()
    await asyncio.to_thread(own_redis.start)

    async def more_than(before: int) -> bool:
        return before == len(load.acknowledged) or (await notified(own_redis.url)).total() > before

    async with RedisProxy(own_redis.port) as way:
        way.delay = 0.3
        for place in range(3):
            before = (await notified(own_redis.url)).total()
            receiver = await start(processes, free_port(), way.url)
            await until(partial(more_than, before), every=0.001)
            await receiver.process.kill()
            if place == 0:
                assert 0 < (await notified(own_redis.url)).total() < len(load.acknowledged)
    receiver = await start(processes, free_port(), own_redis.url)

    async def handed_over() -> bool:  # before it has opened its spool, a receiver says that nothing waits there
        return load.acknowledged <= (await notified(own_redis.url)).keys()

    await until(handed_over, "all is handed over")
    await drained(receiver)
    await accounted_for(load, own_redis.url)
    assert len(await notified(own_redis.url)) == len(load.acknowledged)


async def test_receivers_share_a_spool(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """Two receivers in one folder; one is killed, and the other hands over what both have kept."""
    both = [await start(processes, free_port(), own_redis.url) for _ in range(2)]
    await asyncio.to_thread(own_redis.kill)
    for number, receiver in enumerate(both):
        assert (await receiver.post(webhook(number))).status_code == 200
    await both[0].process.kill()
    await asyncio.to_thread(own_redis.start)

    async def both_there() -> bool:
        return len(await notified(own_redis.url)) == 2

    await until(both_there)
    assert await notified(own_redis.url) == {"imp_0": 1, "imp_1": 1}


async def begin(redis_url: str) -> None:
    """Begin the ledger there with the usual number of cells, as the first worker does."""
    async with ledger_state(redis_url) as state:
        await state.begin_with(CELLS)


def damage(path: Path) -> None:
    """Overwrite all of a file but its first page, and its write-ahead log."""
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xaa" * 8192)


async def test_a_damaged_spool_is_503_and_no_false_promise(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """While Redis is well a damaged spool only shows in the report; without Redis it is a 503 until it is repaired."""
    spool = tmp_path / "var" / "spool" / "spool-0.sqlite"
    await (await start(processes, free_port(), own_redis.url)).process.terminate()
    await asyncio.to_thread(damage, spool)
    receiver = await start(processes, free_port(), own_redis.url)
    assert (await receiver.post(webhook(1))).status_code == 200
    assert (await receiver.ready())["spool"]["available"] is False
    await asyncio.to_thread(own_redis.kill)
    answer = await receiver.post(webhook(2))
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)

    async def not_ready() -> bool:
        return (await receiver.client.get("/readyz")).status_code == 503

    async def accepts() -> bool:
        return (await receiver.post(webhook(3))).status_code == 200

    await until(not_ready)
    spool.rename(spool.with_suffix(".damaged"))
    await until(accepts)


async def test_what_is_under_way_is_finished_on_sigterm(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int], tmp_path: Path
) -> None:
    """A webhook that waits for a hanging Redis when the process gets SIGTERM is still stored and acknowledged."""
    async with RedisProxy(own_redis.port) as way:
        receiver, asked = await start(processes, free_port(), way.url), asyncio.Event()

        def notice(command: Command) -> None:
            if any(b"imp_1" in word for word in command):
                asked.set()

        await begin(own_redis.url)
        assert (await receiver.post(webhook(0))).status_code == 200  # it knows by now how many cells there are
        way.refuse = notice
        own_redis.pause()
        posting = asyncio.create_task(receiver.post(webhook(1)))
        await until(asked.is_set, "the webhook waits for Redis")
        receiver.process.signal(signal.SIGTERM)
        assert (await posting).status_code == 200
        assert await receiver.process.ended() == 0
    with sqlite3.connect(tmp_path / "var" / "spool" / "spool-0.sqlite") as database:
        assert database.execute("SELECT count(*) FROM waiting").fetchone() == (1,)
    database.close()


async def test_a_bad_start_is_one_line(processes: Processes, redis_url: str, free_port: Callable[[], int]) -> None:
    """A bad setting or a taken port ends the process with one line that says so."""
    bad = processes.python("receiver", PORT="many")
    assert await bad.ended() == 1
    assert len(bad.lines) == 1
    assert "PORT=many" in bad.output
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        late = processes.python("receiver", HOST="127.0.0.1", PORT=str(port), REDIS_URL=redis_url)
        assert await late.ended() == 1
    assert len(late.lines) == 1
    assert f"PORT={port}" in late.output


async def test_another_number_of_cells_ends_the_receiver(
    processes: Processes, own_redis: RedisServer, free_port: Callable[[], int]
) -> None:
    """With one line, at the start, or once a Redis that was away is back; what came meanwhile is in the spool."""
    receiver = await start(processes, free_port(), own_redis.url)
    await begin(own_redis.url)
    wrong = processes.python(
        "receiver", REDIS_URL=own_redis.url, HOST="127.0.0.1", PORT=str(free_port()), RELAY_CELLS="8"
    )
    assert await wrong.ended() == 1
    assert wrong.lines[-1].startswith("RELAY_CELLS=8 is not usable")
    await receiver.process.terminate()
    await asyncio.to_thread(own_redis.kill)
    late = await start(processes, free_port(), own_redis.url, RELAY_CELLS="8")
    assert (await late.post(webhook(1))).status_code == 200
    await asyncio.to_thread(own_redis.start)
    assert await late.process.ended() == 1
    assert late.process.lines[-1].startswith("RELAY_CELLS=8 is not usable")
    assert await notified(own_redis.url) == Counter()
    await start(processes, free_port(), own_redis.url)

    async def drained() -> bool:
        return await notified(own_redis.url) == Counter({"imp_1": 1})

    await until(drained)
