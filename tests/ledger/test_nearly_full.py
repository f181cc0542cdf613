"""A Redis that is nearly full: what is under way is finished, nothing new begins, and it goes on when there is room."""

from __future__ import annotations

import asyncio

from ledger import Ledger
from ledger.jobs import RECONCILE, RETENTION
from schemas.errors import LedgerFull
from tests.support import redis_contents
from tests.support.ledger_driver import REFRESH, Driver, paid


async def fill(driver: Driver, share: float) -> None:
    """Let what is in use be this share of `maxmemory`; so much that what a test writes changes little."""
    await driver.redis.config_set("maxmemory", 0)
    await driver.redis.setrange("{relay}:minute:ballast", 20_000_000, "x")
    used = (await driver.redis.info("memory"))["used_memory"]
    await driver.redis.config_set("maxmemory", round(used / share))


async def test_nothing_is_claimed_near_the_limit(ledger: Ledger, driver: Driver) -> None:
    """At 95 % of `maxmemory` refreshes, callbacks and jobs wait and only retention goes on; with memory all go on."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 2)
    await driver.accept("imp_waits")
    await ledger.jobs.schedule(RECONCILE, "run")
    await ledger.jobs.schedule(RETENTION, "all")
    try:
        await fill(driver, 0.96)
        await ledger.sweep("me")
        assert (await driver.claim(), await driver.take(lane)) == ((), ())
        assert (await ledger.jobs.claim(RECONCILE)).leases == ()
        assert len((await ledger.jobs.claim(RETENTION)).leases) == 1
        await fill(driver, 0.5)
        await ledger.sweep("me")
        await driver.claim_one()
        assert len(await driver.take(lane)) == 2
        assert len((await ledger.jobs.claim(RECONCILE)).leases) == 1
    finally:
        await driver.redis.config_set("maxmemory", 0)


async def test_lanes_are_told_of_again_soon(ledger: Ledger, driver: Driver) -> None:
    """A lane that was turned away neither spins nor is forgotten: a second later it is kicked once more."""
    await driver.accept()
    try:
        await fill(driver, 0.97)
        await ledger.sweep("me")
        assert await driver.claim() == ()
        assert await driver.kicked(REFRESH)
        assert 0 < await driver.redis.pttl("{relay:00}:kicked:refresh/default") <= 1000
    finally:
        await driver.redis.config_set("maxmemory", 0)


async def test_what_was_sent_is_settled_in_a_full_redis(ledger: Ledger, driver: Driver) -> None:
    """With no room left at all the outcome of a callback is still written, so it is not sent again."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 1)
    sent = await driver.take_one(lane)
    try:
        await fill(driver, 2.0)
        assert await driver.settle(sent) == "ok"
    finally:
        await driver.redis.config_set("maxmemory", 0)
    assert await driver.state(sent) == "delivered"
    assert await driver.take(lane) == ()


async def test_leases_are_renewed_in_a_full_redis(ledger: Ledger, driver: Driver) -> None:
    """A callback that takes long is not sent a second time as soon as there is room again."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 1)
    sending = await driver.take_one(lane)
    ledger.leases.hold([sending.lease])
    await driver.pass_time(9)
    try:
        await fill(driver, 2.0)
        await ledger.leases.renew()
    finally:
        await driver.redis.config_set("maxmemory", 0)
    await driver.pass_time(5)
    assert await driver.take(lane) == ()
    assert await driver.settle(sending) == "ok"


async def test_looks_are_refused_whole_by_a_full_redis(ledger: Ledger, driver: Driver) -> None:
    """Nothing is written of refreshes that share a call with one too large; with memory they all are."""
    lane = await driver.subscribe()
    for imp_uid in ("imp_lost", "imp_1", "imp_2"):
        await driver.accept(imp_uid)
    claimed = {one.record.imp_uid: one for one in await driver.claim()}
    await driver.lose(claimed["imp_lost"].lease)
    successor = await driver.claim_one()
    await driver.forget_kicks()  # a turn would end by itself meanwhile

    async def commit_all() -> list[object]:
        commits = (driver.commit(claimed[name], paid(name)) for name in ("imp_lost", "imp_1", "imp_2"))
        return await asyncio.gather(*commits, return_exceptions=True)

    before = await everything(driver)
    try:
        await fill(driver, 2.0)
        answers = await commit_all()
    finally:
        await driver.redis.config_set("maxmemory", 0)
    assert [type(answer) for answer in answers] == [LedgerFull] * 3
    assert await everything(driver) == before
    assert await commit_all() == ["lost", "ok", "ok"]
    assert len(await driver.take(lane)) == 2
    assert await driver.commit(successor, paid("imp_lost")) == "ok"


async def everything(driver: Driver) -> dict[bytes, bytes]:
    """Each key of the ledger as it is, but for what fills it."""
    found = await redis_contents.copy_of(driver.redis)
    return {name: value for name, value in found.items() if not name.endswith(b"ballast")}
