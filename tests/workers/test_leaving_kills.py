"""A worker is killed before and after every script by which a payment leaves the ledger and comes back: nothing is
lost, and nothing is announced twice."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

import pytest

from history import History
from ledger import Ledger
from runtime.history_url import parse
from tests.support import stored_payments
from tests.support.histories import record_all
from tests.support.iamport_stub import Stub, always, payment, well
from tests.support.ledger_driver import Driver, queue_url
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import redis_of
from tests.support.processes import Processes

NAME = ("default", "imp_1")
_WORKER = """
import asyncio, os, random, sys
import ledger.retention
from cryptography.fernet import Fernet
from history import History
from iamport.merchant_clients import MerchantClients
from iamport.transport import production_transport
from ledger import Ledger
from ledger.scripting import Scripting
from runtime.encryption import Sealer
from runtime.settings import Settings
from workers.cold_payments import ColdPayments
from workers.metrics import WorkerMetrics
from workers.refresh import Refresher

what, at, redis_url, queue_url, history_url, iamport_url, watched = sys.argv[1:]
ledger.retention.MOST_ROWS = 1
left, run = int(at), Scripting.run

def step():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)

async def watched_run(scripting, calls, **options):
    if not {call.name for call in calls} & set(watched.split()):
        return await run(scripting, calls, **options)
    step()
    answers = await run(scripting, calls, **options)
    step()
    return answers

Scripting.run = watched_run

async def work():
    settings = Settings.load({"IMP_KEY": "k", "IMP_SECRET": "s", "IMP_API_URL": iamport_url,
        "RELAY_HISTORY_URL": history_url, "RELAY_LEDGER_RETENTION": "1ms"})
    relay, history = Ledger.connect(redis_url, queue_url), History.connect(settings.history_url)
    if what == "leave":
        later = await relay.now() + 1
        while await relay.retention.tidy(older_than=later):
            pass
    else:
        sealer, transport = Sealer([Fernet.generate_key().decode()]), production_transport()
        clients = MerchantClients(settings, sealer, transport, relay.tokens, relay.merchants.get)
        cold = ColdPayments(settings, relay, history)
        await Refresher(settings, relay, cold, clients, WorkerMetrics(), random.Random(1)).refresh("00:refresh/default")

asyncio.run(work())
os._exit(0)
"""


Work = Callable[[str, int, str], Awaitable[int]]


@pytest.fixture
async def history(history_url: str) -> AsyncIterator[History]:
    """An empty history on each database."""
    opened = History.connect(parse(history_url))
    await opened.prepare()
    yield opened
    await opened.close()


@pytest.fixture
def work(processes: Processes, redis_url: str, history_url: str, stub: Stub) -> Work:
    """Runs a worker that is killed at a step of these scripts, 0 for none; gives its exit status."""

    async def run(what: str, at: int, scripts: str) -> int:
        urls = (redis_url, queue_url(redis_url), history_url, stub.url)
        worker = processes.run("worker", [sys.executable, "-c", _WORKER, what, str(at), *urls, scripts])
        status = await worker.ended()
        assert status in (0, -signal.SIGKILL), worker.output
        return status

    return run


async def killed_everywhere(what: str, steps: Iterable[int], work: Work, scripts: str, driver: Driver) -> int:
    """Run workers that are killed at these steps, one after the other, until one gets through; how many were killed."""
    for kills, at in enumerate(steps):
        if await work(what, at, scripts) == 0:
            return kills
        await driver.pass_time(11)  # its leases end
        assert await problems_but_unfinished(driver) == []
    raise AssertionError("none gets through")


async def problems_but_unfinished(driver: Driver) -> list[str]:
    """What is not in order, but for objects that wait for the rest of their payment to leave or to come."""
    return [one for one in await problems(driver.ledger) if not one.startswith("snaps:")]


async def test_killed_at_every_step(redis_url: str, history: History, stub: Stub, work: Work) -> None:
    """Whatever a killed worker has left undone, the next one does; a payment is in the ledger or in history, whole."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    driver = Driver(ledger)
    await ledger.merchants.ensure("default")
    now = int(time.time())
    stub.reply = always(well([payment("imp_1", started_at=now - 90, paid_at=now - 60)]))
    lane = await driver.subscribe()
    await driver.accept("imp_1")
    assert await work("refresh", 0, "") == 0
    await driver.settle(await driver.take_one(lane))
    await record_all(ledger, history)

    for scripts, least in (("commit", 2), ("claim_payments put_back_events put_back_payment", 6)):
        # What a step has removed is gone: so the first one is killed before its step, all others after it.
        kills = 0
        while kills < 10 and [name async for name in redis_of(ledger).scan_iter("*imp_1*")]:
            assert await work("leave", min(kills + 1, 2), "remove_payments") != 0
            assert await problems_but_unfinished(driver) == []
            kills += 1
        assert [name async for name in redis_of(ledger).scan_iter("*imp_1*")] == []
        assert kills >= 3
        assert await ledger.cold.missing([NAME]) == [NAME]

        await driver.accept("imp_1")
        assert await killed_everywhere("refresh", range(1, 20), work, scripts, driver) >= least

        await record_all(ledger, history)
        rows = await history.events.of_payments([NAME])
        assert [event.sequence for event in rows[NAME]] == [1]
        assert [json.loads(row.body)["type"] for row in await ledger.events.of_payment(*NAME)] == ["payment.paid"]
        assert await driver.take(lane) == ()
        assert await stored_payments.waiting(redis_of(ledger)) == {}
    assert await problems(ledger) == []
    await ledger.close()
