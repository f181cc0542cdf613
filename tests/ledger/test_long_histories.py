"""Payments of thousands of deposits: what they cost, what happens when one breaks off, and who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from random import Random
from typing import Any

import pytest

from ledger import Ledger
from ledger.scripting import Argument
from ledger.store import Store
from ledger.whole_events import MOST_EVENTS
from schemas import wire
from schemas.errors import LedgerFull, LedgerUnavailable
from schemas.payments.commit_steps import STEP_FACTS
from schemas.payments.decide import Policy, decide
from tests.ledger.breaking import breaking_off
from tests.support import stored_payments
from tests.support.ledger_driver import REFRESH, THEN, Driver, fixed, paid, queue_url
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import key
from tests.support.redis_process import RedisServer
from tests.support.waiting import succeeds, until

MB = 1_000_000
FIXED = ("default", "imp_fixed")


@pytest.fixture
async def own(own_redis: RedisServer) -> AsyncIterator[Driver]:
    """A ledger on a Redis of its own."""
    ledger = Ledger.connect(own_redis.url, queue_url(own_redis.url))
    yield Driver(ledger)
    await ledger.close()


async def used(driver: Driver) -> int:
    """Bytes of memory that Redis uses."""
    return int((await driver.redis.info("memory"))["used_memory"])


async def events(driver: Driver) -> list[tuple[str, int]]:
    """The ids of the account's events, with their sequence."""
    rows = [(name, row) for name, row in (await driver.rows("evt")).items() if row["imp_uid"] == "imp_fixed"]
    return sorted(((name, int(row["sequence"])) for name, row in rows), key=lambda one: one[1])


async def until_written(driver: Driver, facts: int) -> None:
    """Wait until so many facts of the account are there."""

    async def are_there() -> bool:
        return await stored_payments.facts(driver.redis, "default/imp_fixed") >= facts

    await until(are_there, f"{facts} facts are written", every=0.001)


async def test_three_thousand_deposits_take_less_than_twenty_megabytes(own: Driver) -> None:
    """i'mport's object is there once, however many events show it; each has its facts, event and delivery."""
    lane = await own.subscribe()
    await own.look(paid())
    before = await used(own)
    await own.look(fixed(3000))
    assert await used(own) - before < 20 * MB
    assert len(await events(own)) == 3000
    first = (await own.take(lane))[-1]
    assert wire.loads(first.body)["data"]["payment"] == wire.loads(fixed(3000).raw)
    assert await problems(own.ledger) == []


async def test_deposits_that_come_one_by_one_cost_little_more_than_their_rows(own: Driver) -> None:
    """Each look finds another object; of most only what is new of it is kept, and each event shows its own."""
    await own.subscribe(ordered=False)
    for n in range(1, 201):
        await own.look(fixed(n))
    whole = len(fixed(200).raw)
    kept = [
        value for name, value in (await own.redis.hgetall(key("pay", "default/imp_fixed"))).items() if b"o:" in name
    ]
    assert sum(map(len, kept)) < 20 * whole < sum(len(fixed(n).raw) for n in range(1, 201))
    shown = {row.sequence: row.body for row in await own.ledger.events.of_payment("default", "imp_fixed", most=200)}
    for n, body in shown.items():
        assert body.endswith(b',"payment":' + fixed(n).raw + b"}}")
    assert max(shown) == 200
    assert await problems(own.ledger) == []


@pytest.mark.parametrize("text", ["", "가나다", "x" * 5000, "\x00\n1 2 3\n"])
async def test_an_object_is_read_as_it_was_whatever_changed_in_it(driver: Driver, text: str) -> None:
    """At its ends, in between, longer, shorter, or nothing: byte for byte."""
    lane = await driver.subscribe(ordered=False)
    names = ["rent", text, text + "z", "z" + text, text, ""]
    looks = [paid("imp_1", *[100] * place, name=name) for place, name in enumerate(names)]
    for snapshot in looks:
        await driver.look(snapshot)
    bodies = [one.body for one in await driver.take(lane)]
    assert len(bodies) == len(looks)
    for snapshot, body in zip(looks, bodies, strict=True):
        assert body.endswith(b',"payment":' + snapshot.raw + b"}}")


async def test_a_body_is_the_same_at_every_attempt(driver: Driver) -> None:
    """Whatever later refreshes have found meanwhile."""
    lane = await driver.subscribe()
    await driver.look(fixed(3))
    first = await driver.take_one(lane)
    await driver.fail(first, 0)
    for n in (4, 5, 300):
        await driver.look(fixed(n, name="renamed"))
    again = await driver.take_one(lane)
    assert (again.id, again.body, again.callback.thin) == (first.id, first.body, first.callback.thin)
    assert again.body == (await driver.ledger.events.get(again.event)).body


async def test_a_commit_that_is_killed_between_two_steps_is_gone_on_with(driver: Driver) -> None:
    """Each event once, in sequence, with the id it would have had; deliveries too; then the payment is settled."""
    lane = await driver.subscribe()
    webhook = await driver.accept("imp_fixed")
    claimed = await driver.claim_one()
    change = decide(claimed.record, fixed(950), THEN + 100, Policy())
    killed = asyncio.create_task(driver.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN + 100))
    await until_written(driver, 2 * STEP_FACTS)
    killed.cancel()
    await asyncio.wait([killed])
    written = await events(driver)
    assert 2 * STEP_FACTS <= len(written) < 950
    assert await problems(driver.ledger) == []
    assert await driver.outcome(webhook) == "pending"

    await driver.lose(claimed.lease)
    again = await driver.claim_one()
    assert (len(again.record.facts), again.record.sequence) == (len(written), len(written))
    assert await driver.commit(again, fixed(950)) == "ok"
    assert await events(driver) == [(event.id, event.sequence) for event in change.events]
    assert await driver.outcome(webhook) == "applied"
    assert await driver.due(REFRESH) == {}
    waiting = [row for row in (await driver.rows("dlv")).values() if "waits_for" in row]
    assert len(waiting) == 949
    assert (await driver.take_one(lane)).event == change.events[0].id


async def test_who_lost_the_lease_between_two_steps_writes_no_more(driver: Driver) -> None:
    """The fencing token is checked by each step."""
    await driver.accept("imp_fixed")
    late = await driver.claim_one()
    change = decide(late.record, fixed(950), THEN + 100, Policy())
    slow = asyncio.create_task(driver.ledger.refresh_lane.commit(change, claimed=late, now=THEN + 100))
    await until_written(driver, STEP_FACTS)
    await driver.lose(late.lease)
    successor = await driver.claim_one()
    assert await slow == "lost"
    written = await events(driver)
    assert len(written) < 950
    record = (await driver.ledger.refresh_lane.record("default", "imp_fixed")).facts
    rest = decide(successor.record, fixed(950), THEN + 100, Policy())
    assert await driver.ledger.refresh_lane.commit(rest, claimed=successor, now=THEN + 100) == (
        "ok" if len(successor.record.facts) == len(record) else "changed"
    )


async def test_others_are_written_between_the_steps(driver: Driver) -> None:
    """A payment that is committed while a long one is under way is there before it is done."""
    await driver.accept("imp_fixed")
    long = await driver.claim_one()
    change = decide(long.record, fixed(2000), THEN + 100, Policy())
    task = asyncio.create_task(driver.ledger.refresh_lane.commit(change, claimed=long, now=THEN + 100))
    await until_written(driver, STEP_FACTS)
    await driver.look(paid("imp_short"))
    assert not task.done()
    assert await task == "ok"


async def test_one_claim_reads_only_so_much(own: Driver) -> None:
    """Large payments come in several claims, each with at least one of them."""
    names = [f"imp_{n}" for n in range(3)]
    for n, name in enumerate(names):
        await own.look(paid(name, custom_data=Random(n).randbytes(MB // 2).hex()))  # hardly shorter when compressed
    for name in names:
        await own.accept(name)
    claims: list[Sequence[str]] = []
    while taken := [one.record.imp_uid for one in await own.claim()]:
        claims.append(taken)
    assert sorted(name for claim in claims for name in claim) == names
    assert len(claims) >= 2


async def test_one_claim_of_deliveries_reads_only_so_much(driver: Driver) -> None:
    """Large objects come in several claims; one that many deliveries share counts once."""
    lane = await driver.subscribe(ordered=False, max_in_flight=300)
    for n in range(5):
        await driver.look(paid(f"imp_{n}", custom_data="x" * 2 * MB))
    await driver.look(fixed(200))
    taken = [len(await driver.take(lane, 300)) for _ in range(4)]
    assert taken[0] < 5
    assert sum(taken) == 205


async def test_events_of_only_so_many_bytes_are_read_at_once(driver: Driver) -> None:
    """Of large ones fewer than were asked for: the latest."""
    for deposits in range(1, 8):
        await driver.look(fixed(deposits, custom_data="x" * MB))
    read = await driver.ledger.events.of_payment("default", "imp_fixed", most=200)
    assert [row.sequence for row in read] == [4, 5, 6, 7]


async def test_retention_removes_a_long_history_in_parts(driver: Driver) -> None:
    """All of it leaves in the end: events, deliveries, notifications, and i'mport's objects."""
    lane = await driver.subscribe()
    await driver.look(fixed(450))
    while taken := await driver.take(lane):
        for one in taken:
            await driver.settle(one)
    later = await driver.ledger.now() + 1
    while await driver.tidy(later):
        pass
    left = [name.decode() async for name in driver.redis.scan_iter(key("*")) if b"imp_fixed" in name]
    assert left == []
    for pattern in ("evt:*", "events"):
        assert [name async for name in driver.redis.scan_iter(key(pattern))] == []


async def test_a_buyer_of_a_long_history_is_erased_in_parts(own: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """No call reads or writes more than some events and one large object; nothing of the buyer is left, and each event
    shows the object that it showed."""
    sizes: list[int] = []
    run, run_all = Store.run, Store.run_all

    async def written(store: Store, name: str, *args: Argument, **options: Any) -> Any:
        if name == "erase_buyer_from_events":
            sizes.append(len(repr(args)))
        return await run(store, name, *args, **options)

    async def read(store: Store, name: str, calls: Sequence[Sequence[Argument]], **options: Any) -> list[Any]:
        answers = await run_all(store, name, calls, **options)
        sizes.extend(len(repr(answer)) for answer in answers)
        return answers

    await own.look(fixed(1000))
    for deposits in range(1001, 1006):
        await own.look(fixed(deposits, custom_data="x" * MB))
    before = await events(own)
    monkeypatch.setattr(Store, "run", written)
    monkeypatch.setattr(Store, "run_all", read)
    await own.ledger.erasing.erase("default", "imp_fixed")
    assert len(sizes) > 2 * 1000 / MOST_EVENTS
    assert max(sizes) < 4 * MB
    assert await events(own) == before
    assert await own.redis.exists(key("blank_snaps", "default/imp_fixed")) == 0
    for pattern in ("evt:*", "snaps:*", "pay:*", "facts:*"):
        async for name in own.redis.scan_iter(key(pattern)):
            values = b"\n".join(await own.redis.hvals(name))
            assert (b"Gildong" in values, b"xxxxxxxx" in values) == (False, False), name
    shown = [wire.loads(row.body)["data"]["payment"] for row in await own.ledger.events.of_payment(*FIXED, most=5)]
    assert [len(one["deposit_history"]) for one in shown] == [1001, 1002, 1003, 1004, 1005]
    assert await problems(own.ledger) == []


async def test_a_broken_off_erasure_is_finished_by_the_next(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it broke off, and though more was announced since; until then events show what they showed."""

    async def shown() -> list[bytes]:
        return [row.body for row in await driver.ledger.events.of_payment(*FIXED, most=200)]

    monkeypatch.setattr("ledger.whole_events.MOST_EVENTS", 10)
    looks = [1, 20, 21, 60]
    for deposits in looks:
        await driver.look(fixed(deposits))
    for calls in range(6):
        with breaking_off(monkeypatch, "erase_buyer_from_events", calls), pytest.raises(LedgerUnavailable):
            await driver.ledger.erasing.erase(*FIXED)
        looks.append(61 + calls)
        await driver.look(fixed(looks[-1]))
        found = {len(wire.loads(body)["data"]["payment"]["deposit_history"]) for body in await shown()}
        assert found == set(looks)
    await driver.ledger.erasing.erase(*FIXED)
    assert not [body for body in await shown() if b"Gildong" in body]
    assert len(await shown()) == looks[-1]
    assert await problems(driver.ledger) == []


async def test_what_has_no_room_is_not_begun(own: Driver) -> None:
    """Half of a long history would fill Redis for everybody: nothing is written of it, and others go on."""
    await own.subscribe()
    await own.accept("imp_fixed")
    long = await own.claim_one()
    change = decide(long.record, fixed(3000), THEN + 100, Policy())
    await own.redis.config_set("maxmemory", await used(own) + 4 * MB)
    assert await own.ledger.refresh_lane.commit(change, claimed=long, now=THEN + 100) == "full"
    assert await stored_payments.facts(own.redis, "default/imp_fixed") == 0
    await own.look(paid("imp_short"))
    await own.redis.config_set("maxmemory", 0)
    assert await own.ledger.refresh_lane.commit(change, claimed=long, now=THEN + 100) == "ok"
    assert await problems(own.ledger) == []


async def test_what_is_too_large_for_a_full_redis_fails_alone(own: Driver) -> None:
    """Commits that came together with one that Redis has no room for are written: before it, or as soon as Redis has
    let go of what it could not take."""
    for n in range(3):
        await own.accept(f"imp_{n}")
    claimed = {one.record.imp_uid: one for one in await own.claim()}
    await own.redis.config_set("maxmemory", await used(own) + 2 * MB)
    before, large, after = await asyncio.gather(
        own.commit(claimed["imp_0"], paid("imp_0")),
        own.commit(claimed["imp_1"], paid("imp_1", custom_data="x" * 8 * MB)),
        own.commit(claimed["imp_2"], paid("imp_2")),
        return_exceptions=True,
    )
    assert (before, type(large)) == ("ok", LedgerFull)
    if after != "ok":
        assert await succeeds(lambda: own.commit(claimed["imp_2"], paid("imp_2")), LedgerFull) == "ok"
    await own.ledger.refresh_lane.postpone(claimed["imp_1"], "stalled", due_in=0, tries=1)
    assert list(await own.due(REFRESH)) == ["imp_1"]


async def test_an_event_whose_object_is_gone_stops_no_lane(own: Driver) -> None:
    """It is not sent, as one whose body is gone, and not shown; what comes after it is."""
    lane = await own.subscribe(ordered=False)
    await own.look(paid("imp_1"))
    await own.redis.hdel(key("pay", "default/imp_1"), "o:1")
    await own.look(paid("imp_2"))
    assert (await own.take_one(lane)).imp_uid == "imp_2"
    shown = [await own.ledger.events.of_payment("default", imp_uid) for imp_uid in ("imp_1", "imp_2")]
    assert [len(rows) for rows in shown] == [0, 1]
