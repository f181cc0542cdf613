"""Redis' clock is put back by a minute: whatever lasts for seconds and seems to last for longer is not believed."""

from __future__ import annotations

import pytest

from ledger import Ledger
from ledger.keys import Lane
from ledger.leases import LEASE_MS, Lease
from ledger.sweep import Sweep
from tests.support.ledger_driver import REFRESH, Driver, paid
from tests.support.ledger_redis import key, shared_key, swept
from tests.support.reasons import because
from tests.support.waiting import until

BACK = 60.0


async def put_clock_back(driver: Driver, seconds: float = BACK) -> None:
    """Leave everything as a clock that is put back leaves it: all times are later by so much, and so are expiries."""
    await driver.pass_time(-seconds)
    for name in (shared_key("leader", "sweep"), shared_key("imp_lock", "default")):
        if (left := await driver.redis.pttl(name)) > 0:
            await driver.redis.pexpire(name, left + round(seconds * 1000))


async def ends_in(driver: Driver, lease: Lease) -> float:
    """Seconds until a lease ends, by Redis' clock."""
    at = (await driver.scores("leased", str(lease.lane)))[lease.member]
    return at / 1000 - await driver.ledger.now()


@pytest.mark.parametrize("kind", ["refresh", "deliver"])
async def test_what_a_dead_worker_held_is_back_after_a_lease(ledger: Ledger, driver: Driver, kind: str) -> None:
    """The sweep shortens its lease to what one lasts, and tells of it when that is over, not a minute later."""
    lane = await driver.subscribe() if kind == "deliver" else REFRESH
    await (driver.look(paid()) if kind == "deliver" else driver.accept())
    (held,) = await (driver.take(lane) if kind == "deliver" else driver.claim())
    await put_clock_back(driver)

    assert await swept(ledger, "other") == []
    assert LEASE_MS / 1000 - 2 < await ends_in(driver, held.lease) <= LEASE_MS / 1000

    await driver.forget_kicks()
    await driver.pass_time(LEASE_MS / 1000 + 0.1)
    assert await swept(ledger, "other") == [lane]
    assert len(await (driver.take(lane) if kind == "deliver" else driver.claim())) == 1


async def test_it_is_noticed_in_a_lane_that_always_has_work(driver: Driver) -> None:
    """Each claim looks at the leases of its lane, too: the sweep sees to those lanes only that seem to want nobody."""
    await driver.accept("imp_1")
    held = await driver.claim_one()
    await put_clock_back(driver)
    await driver.accept("imp_2")
    await driver.claim_one()
    assert await ends_in(driver, held.lease) <= LEASE_MS / 1000


async def test_whoever_is_alive_keeps_what_it_has(ledger: Ledger, driver: Driver) -> None:
    """Nothing is taken from a worker that renews: its work is not done twice."""
    await driver.accept()
    held = await driver.claim_one()
    ledger.leases.hold([held.lease])
    await put_clock_back(driver)
    await ledger.sweep("other")
    assert await driver.claim() == ()
    await ledger.leases.renew()
    await driver.pass_time(LEASE_MS / 1000 - 2)
    assert await driver.claim() == ()
    assert await driver.commit(held, paid()) == "ok"


async def test_it_is_found_among_many_lanes(ledger: Ledger, driver: Driver) -> None:
    """A few lanes are looked at each time; none is left out for long."""
    now, others = await ledger.now(), [f"refresh/m{n}" for n in range(950)]
    await driver.redis.zadd(key("lanes"), {lane: (now + 1000 + n) * 1000 for n, lane in enumerate(others)})
    await driver.accept()
    held = await driver.claim_one()
    await put_clock_back(driver, 5000)

    async def is_found() -> bool:
        await Sweep(ledger.cells).kick("me")
        return await ends_in(driver, held.lease) <= LEASE_MS / 1000

    await until(is_found, "it is found", every=0.1)
    await driver.redis.zrem(key("lanes"), *others)
    assert await ends_in(driver, held.lease) <= LEASE_MS / 1000


async def test_another_sweeps_when_the_sweeper_is_gone(ledger: Ledger, driver: Driver) -> None:
    """That it seems to sweep for another minute is not believed."""
    await ledger.sweep("gone")
    await driver.accept()
    await driver.forget_kicks()
    assert await swept(ledger, "other") == []
    await put_clock_back(driver)
    await driver.accept("imp_2")
    await driver.forget_kicks()
    assert await swept(ledger, "other") == [REFRESH]
    assert await swept(ledger, "gone") == []


async def test_a_kick_that_was_lost_is_sent_again(ledger: Ledger, driver: Driver) -> None:
    """It seems to be under way for another minute."""
    await driver.accept()
    assert await swept(ledger) == []
    await put_clock_back(driver)
    await driver.accept("imp_2")
    await ledger.sweep("me")
    assert 0 < await driver.redis.pttl(key("kicked", str(REFRESH))) <= 5000


async def test_a_rate_goes_on(ledger: Ledger, driver: Driver) -> None:
    """An endpoint's rate is counted from its last claim, which seems to be yet to come."""
    lane = await driver.subscribe(rate_limit=1, ordered=False)
    await driver.record_for(lane, 3)
    assert len(await driver.take(lane)) == 1
    assert await driver.take(lane) == ()
    await put_clock_back(driver)
    await driver.redis.zadd(key("due", str(lane)), dict.fromkeys(await driver.due(lane), 1))
    await ledger.sweep("me")
    await driver.forget_kicks()
    await driver.pass_time(1.1)
    assert Lane("deliver", "ep_1") in await swept(ledger)
    assert len(await driver.take(lane)) == 1


async def test_a_probe_that_is_gone_is_followed_by_another(ledger: Ledger, driver: Driver) -> None:
    """While i'mport fails, one probe at a time is under way; it does not seem to be for another minute."""
    await driver.accept()
    await ledger.refresh_lane.pause(REFRESH, 0, because("trouble"))
    await driver.claim_one()
    await put_clock_back(driver)
    await driver.redis.hdel(key("lane", str(REFRESH)), "not_before")
    await ledger.sweep("me")
    await driver.pass_time(LEASE_MS / 1000 + 0.1)
    assert len(await driver.claim()) == 1


async def test_a_token_is_fetched_by_somebody_else(ledger: Ledger, driver: Driver) -> None:
    """Whoever wanted to fetch i'mport's token is gone, and seems to have another minute."""
    assert await ledger.tokens.lock_token("default", 5)
    assert not await ledger.tokens.lock_token("default", 5)
    await put_clock_back(driver)
    assert await ledger.tokens.lock_token("default", 5)
