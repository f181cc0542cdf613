"""What leaves the ledger and when, and what is put back from history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from history import History
from ledger import Ledger
from ledger.keys import Lane
from ledger.put_back import events_args
from schemas.outbox.codec import pack
from tests.support import stored_payments
from tests.support.histories import record_all, sqlite_history
from tests.support.ledger_driver import Driver, endpoint, paid
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import key, redis_of

P = "default/imp_1"
NAME = ("default", "imp_1")
VOLATILE = (
    "kicked:",
    "minute:",
    "day:",
    "unverified",
    "outbox",
    "recorded",
    "revision",
    "seq",
    "left",
    "ageing",
)


@pytest.fixture
async def history() -> AsyncIterator[History]:
    """An empty history."""
    async with sqlite_history() as history:
        yield history


async def leave(driver: Driver, history: History) -> None:
    """Have everything leave that may, once history has it."""
    await record_all(driver.ledger, history)
    later = await driver.ledger.now() + 1
    while await driver.ledger.retention.tidy(older_than=later):
        pass


async def contents(driver: Driver) -> dict[str, Any]:
    """All rows and lists of a ledger, without what no payment is shown by."""
    found: dict[str, Any] = {}
    read = {b"hash": driver.redis.hgetall, b"set": driver.redis.smembers}
    async for name in driver.redis.scan_iter("*"):
        short, kind = name.decode().removeprefix(key("")), await driver.redis.type(name)
        if short.startswith(VOLATILE):
            continue
        if kind == b"zset":
            found[short] = dict(await driver.redis.zrange(name, 0, -1, withscores=True))
        elif kind == b"list":
            found[short] = await driver.redis.lrange(name, 0, -1)
        else:
            found[short] = await read[kind](name) if kind in read else await driver.redis.get(name)
    return found


def waits(driver: Driver) -> bool:
    """Whether the last step of retention found that history did not have everything."""
    return driver.ledger.retention.waits_for_history


async def fetch(driver: Driver, history: History) -> None:
    """Have the payment put back."""
    await driver.ledger.cold.fetch(history.whole_payments, [NAME])


async def a_life(driver: Driver) -> Lane:
    """A payment that was paid and cancelled in two parts; a delivery of it failed, was repeated, and one is dead."""
    lane = await driver.subscribe()
    await driver.look(paid())
    await driver.fail(await driver.take_one(lane), again_in=0)
    await driver.settle(await driver.take_one(lane))
    await driver.look(paid("imp_1", 300))
    await driver.bury(await driver.take_one(lane))
    await driver.look(paid("imp_1", 300, 700))
    await driver.settle(await driver.take_one(lane))
    return lane


async def test_a_payment_comes_back_as_it_was(driver: Driver, history: History) -> None:
    """Record, facts, events with their exact bytes, deliveries and attempts, each in the lists it was in."""
    await a_life(driver)
    before, bodies = await contents(driver), [row.body for row in await driver.ledger.events.of_payment(*NAME)]
    await leave(driver, history)
    assert [name for name in await contents(driver) if "imp_1" in name or name.startswith("evt")] == []
    await fetch(driver, history)
    after = await contents(driver)
    assert [row.body for row in await driver.ledger.events.of_payment("default", "imp_1")] == bodies
    assert before.keys() == after.keys()
    assert {name for name in after if before[name] != after[name]} <= {"events", f"pay:{P}"}
    rows = (before[f"pay:{P}"], after[f"pay:{P}"])
    assert rows[0][b"record"] == rows[1][b"record"]
    assert stored_payments.fields_of(rows[0]) == stored_payments.fields_of(rows[1])
    different = {name for name in rows[0].keys() | rows[1].keys() if rows[0].get(name) != rows[1].get(name)}
    # A short object is in the body of each of its events, and attempts are written by another hand.
    assert {name.partition(b":")[0] for name in different} <= {b"e", b"d", b"o", b"s", b"t", b"head", b"object"}
    assert len(await driver.ids("dlv")) == 3
    assert await problems(driver.ledger) == []


async def test_putting_back_is_told_to_nobody_and_done_once(driver: Driver, history: History) -> None:
    """History has it already; a second time, and where the ledger has the payment, nothing changes."""
    await a_life(driver)
    await leave(driver, history)
    told = await driver.redis.xlen(key("outbox"))
    await fetch(driver, history)
    first = await contents(driver)
    payments = await history.whole_payments.records([NAME, ("default", "imp_other")])
    assert list(payments) == [NAME]
    await driver.ledger.cold.put_back(history.whole_payments, list(payments.values()))
    assert await contents(driver) == first
    assert await driver.redis.xlen(key("outbox")) == told


async def test_putting_back_that_broke_off(driver: Driver, history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record comes last. If that goes no further, what was put back leaves again, or is made whole by the next."""
    monkeypatch.setattr("ledger.put_back.MOST_BYTES", 1)
    await a_life(driver)
    await leave(driver, history)
    payments = list((await history.whole_payments.records([NAME])).values())
    (whole,) = await history.whole_payments.of(payments)
    parts = list(events_args(whole))
    assert len(parts) == 3
    await driver.ledger.cells[0].run("put_back_events", *parts[0])
    assert await driver.ledger.cold.missing([NAME, ("default", "imp_2")]) == [NAME, ("default", "imp_2")]
    await leave(driver, history)
    assert [name for name in await contents(driver) if name.startswith(("evt", "pay"))] == []
    await driver.ledger.cells[0].run("put_back_events", *parts[0])
    await fetch(driver, history)
    assert len(await driver.ledger.events.of_payment("default", "imp_1")) == 3
    assert await problems(driver.ledger) == []


async def test_removing_that_broke_off_goes_on(driver: Driver, history: History) -> None:
    """The record leaves first. Then the payment is cold, whatever is left of its events: these leave, or it comes back
    whole."""
    await a_life(driver)
    await record_all(driver.ledger, history)
    state = await driver.ledger.outbox.state_of(0)
    step = ("remove_payments", state.now, state.last, state.now, 2)
    assert await driver.ledger.cells[0].run(*step) == [0, 1]
    assert await driver.ledger.cold.missing([NAME]) == [NAME]
    assert len(await driver.ids("evt")) + len(await driver.ids("dlv")) < 6
    await fetch(driver, history)
    rows = await driver.ledger.events.of_payment(*NAME)
    assert [json.loads(row.body)["data"]["sequence"] for row in rows] == [1, 2, 3]
    await leave(driver, history)
    assert [name for name in await contents(driver) if "imp_1" in name or name.startswith("evt")] == []


async def test_nothing_leaves_before_history_has_it(driver: Driver, history: History) -> None:
    """Neither a payment that was never recorded, nor one whose latest change was not."""
    await driver.look(paid())
    later = await driver.ledger.now() + 1
    await driver.ledger.retention.tidy(older_than=later)
    assert waits(driver)
    assert await driver.redis.exists(key("pay", P))
    await record_all(driver.ledger, history)
    await asyncio.sleep(0.01)
    await driver.look(paid("imp_1", 300))
    # What was noted before that change says nothing about it.
    await driver.ledger.retention.tidy(older_than=later)
    assert not waits(driver)
    assert await driver.redis.exists(key("pay", P))
    await leave(driver, history)
    assert not await driver.redis.exists(key("pay", P))


async def test_nothing_leaves_while_history_is_written_again(driver: Driver, history: History) -> None:
    """Nor before that, where history itself says that it has less than Redis believes."""
    await driver.look(paid())
    await record_all(driver.ledger, history)
    later = await driver.ledger.now() + 1
    await driver.ledger.retention.tidy(older_than=later, places={0: "0-0"})
    assert waits(driver)
    await driver.ledger.outbox.rewrite(None)
    while await driver.ledger.rewriting.step():
        await record_all(driver.ledger, history)
        await driver.ledger.retention.tidy(older_than=later)
        assert waits(driver)
    assert await driver.redis.exists(key("pay", P))
    await leave(driver, history)
    assert not await driver.redis.exists(key("pay", P))


async def test_any_change_begins_the_retention_anew(driver: Driver, history: History) -> None:
    """A delivery that is repeated long after the payment had changed keeps it, as does one that waits."""
    lane = await driver.subscribe()
    await driver.look(paid())
    await driver.settle(delivery := await driver.take_one(lane))
    await driver.redis.zadd(key("ageing"), {P: 1})
    await driver.ledger.deliveries.retry(delivery.id)
    assert (await driver.scores("ageing"))[P] > 1
    await leave(driver, history)
    assert await driver.redis.exists(key("pay", P))
    await driver.fail(await driver.take_one(lane))
    await leave(driver, history)
    assert await driver.redis.exists(key("pay", P))


async def test_an_event_alone_comes_back(driver: Driver, history: History) -> None:
    """One about an endpoint belongs to no payment."""
    lane = await driver.subscribe(types=("endpoint.*",))
    await driver.ledger.endpoints.create(endpoint("ep_2"))
    body = b'{"id":"evt_about","type":"endpoint.disabled","timestamp":"2026-01-01T00:00:00Z","data":{"url":"x"}}'
    sent = await driver.ledger.deliveries.send_test(lane.name, "evt_about", body)
    await driver.settle(await driver.take_one(lane))
    before = await contents(driver)
    await leave(driver, history)
    assert sent not in await driver.ids("dlv")
    await driver.ledger.cold.fetch_event(history.whole_payments, "evt_about")
    assert (await contents(driver)).keys() == before.keys()
    assert (await driver.ledger.events.get("evt_about")).body == body
    await driver.ledger.deliveries.retry(sent)
    assert (await driver.take_one(lane)).id == sent
    await driver.ledger.cold.fetch_event(history.whole_payments, "evt_nobody")


async def test_a_cold_record_goes_on(driver: Driver, history: History) -> None:
    """What history has of a payment is what the ledger would have decided by."""
    await a_life(driver)
    record = await driver.ledger.refresh_lane.record(*NAME)
    await leave(driver, history)
    assert driver.ledger.cold.record_of((await history.whole_payments.records([NAME]))[NAME]) == record


async def test_a_full_redis_lets_payments_leave(own: Driver, history: History) -> None:
    """That is what it needs; one that stays does not stop the others."""
    await own.subscribe()
    await own.look(paid("imp_held"))
    for n in range(3):
        await own.look(paid(f"imp_{n}", custom_data="x" * 1000, escrow=True))
    for taken in await own.take(Lane("deliver", "ep_1")):
        if taken.imp_uid != "imp_held":
            await own.settle(taken)
    await record_all(own.ledger, history)
    later = await own.ledger.now() + 1
    await own.redis.config_set("maxmemory", 1)
    assert await own.ledger.retention.tidy(older_than=later) >= 3
    await own.redis.config_set("maxmemory", 0)
    left = [name.decode() async for name in own.redis.scan_iter(key("pay:*"))]
    assert left == [key("pay", "default/imp_held")]


@pytest.fixture
async def own(own_redis: Any) -> AsyncIterator[Driver]:
    """A ledger on a Redis of its own."""
    ledger = Ledger.connect(own_redis.url, own_redis.queue_url if hasattr(own_redis, "queue_url") else own_redis.url)
    await redis_of(ledger).set(key("open"), "1")
    yield Driver(ledger)
    await ledger.close()


async def test_attempts_of_one_number_stay_apart(driver: Driver, history: History) -> None:
    """Redis came back with an old copy, so two attempts of a delivery are its first. Put back, counted on and written
    again to a history that has lost them, each is there once, with its number."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    await driver.fail(delivery, again_in=0)
    await driver.bury(await driver.take_one(lane))
    await record_all(driver.ledger, history)
    first, _ = (await history.deliveries.get(delivery.id)).attempts
    await driver.ledger.outbox.append([pack(replace(first, at=first.at + 500, status_code=503))])
    await leave(driver, history)
    await fetch(driver, history)
    await driver.ledger.deliveries.retry(delivery.id)
    await driver.settle(await driver.take_one(lane))
    await record_all(driver.ledger, history)
    made = (await history.deliveries.get(delivery.id)).attempts
    assert sorted(one.number for one in made) == [1, 1, 2, 4]
    await driver.ledger.outbox.rewrite(None)
    async with sqlite_history() as other:
        while await driver.ledger.rewriting.step():
            await record_all(driver.ledger, other)
        assert set((await other.deliveries.get(delivery.id)).attempts) == set(made)
