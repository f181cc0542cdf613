"""Leases, kicks and the sweep: who works on what, which lanes are kicked, and which are kicked again."""

from __future__ import annotations

import asyncio

import pytest

from ledger import Ledger
from ledger.constants import RENEW_WITHIN
from ledger.jobs import REPLAY
from ledger.leases import LEASE_MS, RENEW_EVERY, Lease
from tests.support.ledger_driver import REFRESH, Driver, paid
from tests.support.ledger_redis import key, swept


async def ends(driver: Driver, lease: Lease) -> int:
    """When a lease ends, in ms."""
    return (await driver.scores("leased", str(lease.lane)))[lease.member]


async def test_a_lease_that_is_renewed_does_not_end(ledger: Ledger, driver: Driver) -> None:
    """Held leases are lengthened together, whatever lanes they are of; dropped ones are not."""
    lane = await driver.subscribe()
    await driver.look(paid())
    await driver.accept("imp_2")
    await driver.accept("imp_3")
    look, dropped = await driver.claim()
    sending = await driver.take_one(lane)
    ledger.leases.hold([look.lease, dropped.lease, sending.lease])
    ledger.leases.drop([dropped.lease])
    await driver.pass_time(9)
    before = await ledger.now() * 1000
    await ledger.leases.renew()
    assert await ends(driver, look.lease) >= before + LEASE_MS
    assert await ends(driver, sending.lease) >= before + LEASE_MS
    assert await ends(driver, dropped.lease) < before + LEASE_MS / 2
    await driver.pass_time(5)
    assert [claimed.lease.member for claimed in await driver.claim()] == [dropped.lease.member]
    assert await driver.take(lane) == ()


async def test_a_late_renewal_takes_nothing_from_who_has_it_now(ledger: Ledger, driver: Driver) -> None:
    """A lease that somebody else has is not lengthened by its former holder."""
    await driver.accept()
    late = (await driver.claim_one()).lease
    await driver.lose(late)
    successor = (await driver.claim_one()).lease
    at = await ends(driver, successor)
    ledger.leases.hold([late])
    await driver.pass_time(3)
    await ledger.leases.renew()
    assert await ends(driver, successor) == at - 3000


@pytest.mark.parametrize("kind", ["refresh", "deliver", "job"])
async def test_leases_that_no_worker_could_renew_are_not_taken_up(ledger: Ledger, driver: Driver, kind: str) -> None:
    """Redis was away for longer than a lease: its workers get the time to renew what they have in hand, also where
    another worker is quicker to claim. Then those that none has renewed are taken up, at the time that was foreseen."""
    lane = await driver.subscribe() if kind == "deliver" else REFRESH if kind == "refresh" else REPLAY

    async def begin(work: str) -> None:
        if kind == "job":
            await ledger.jobs.schedule(REPLAY, work)
        else:
            await (driver.look(paid(work)) if kind == "deliver" else driver.accept(work))

    async def claim() -> list[Lease]:
        if kind == "job":
            return list((await ledger.jobs.claim(REPLAY, 10)).leases)
        return [one.lease for one in await (driver.take(lane) if kind == "deliver" else driver.claim())]

    await begin("imp_1")
    await begin("imp_2")
    alive, dead = await claim()
    ledger.leases.hold([alive])
    await ledger.leases.renew()

    await driver.pass_time(12, renewing=False)
    await driver.forget_kicks()
    await begin("imp_3")
    assert len(await claim()) == 1
    ledger.leases.hold([alive])
    await ledger.leases.renew()
    assert await claim() == []
    await driver.forget_kicks()
    assert lane not in await swept(ledger, "other")

    await driver.pass_time(RENEW_WITHIN + 0.1)
    assert lane in await swept(ledger, "other")
    assert [lease.member for lease in await claim()] == [dead.member]


async def test_what_a_killed_worker_held_is_not_left_alone(ledger: Ledger, driver: Driver) -> None:
    """While other workers can renew, a lease that ends was its worker's to renew; the sweeper shows that they can,
    also where none holds anything."""
    await driver.accept()
    await ledger.sweep("me")
    killed = await driver.claim_one()
    for _ in range(4):
        await ledger.leases.renew()
        await driver.pass_time(RENEW_EVERY, renewing=False)
    assert (await driver.claim_one()).lease.member == killed.lease.member


async def test_what_is_given_back_is_due_at_once(ledger: Ledger, driver: Driver) -> None:
    """A worker that stops releases its work and the lanes are kicked; its own late results do not count."""
    lane = await driver.subscribe()
    await driver.look(paid())
    await driver.accept("imp_2")
    claimed, sending = await driver.claim_one(), await driver.take_one(lane)
    ledger.leases.hold([claimed.lease, sending.lease])
    await driver.forget_kicks()
    await ledger.leases.release()
    assert (await driver.kicked(REFRESH), await driver.kicked(lane)) == (True, True)
    assert await driver.commit(claimed, paid("imp_2")) == "lost"
    assert await driver.settle(sending) == "lost"
    assert (len(await driver.claim()), len(await driver.take(lane))) == (1, 1)
    await ledger.leases.renew()


async def test_one_kick_a_lane_is_under_way_at_most(driver: Driver) -> None:
    """Webhooks in a row kick once; a claim that finds nothing clears the flag, so what comes after it kicks again."""
    await driver.accept("imp_1")
    await driver.accept("imp_2")
    assert await driver.messages("refresh") == 1
    for claimed in await driver.claim():
        assert await driver.commit(claimed, paid(claimed.record.imp_uid)) == "ok"
    assert await driver.claim() == ()
    assert not await driver.kicked(REFRESH)
    await driver.accept("imp_3")
    assert await driver.kicked(REFRESH)
    assert await driver.messages("refresh") == 2


@pytest.mark.parametrize("end", ["commit", "postpone", "release"])
async def test_what_comes_during_a_turn_kicks_once_it_ends(ledger: Ledger, driver: Driver, end: str) -> None:
    """However it ends: the worker that had the turn goes on with what has come meanwhile."""
    await driver.accept("imp_1")
    claimed = await driver.claim_one()
    assert await driver.redis.persist(key("kicked", str(REFRESH)))  # however slow this machine is
    await driver.accept("imp_2")
    assert await driver.messages("refresh") == 1
    match end:
        case "commit":
            assert await driver.commit(claimed, paid("imp_1")) == "ok"
        case "postpone":
            await ledger.refresh_lane.postpone(claimed, "unknown", due_in=60, tries=1)
        case "release":
            ledger.leases.hold([claimed.lease])
            await ledger.leases.release()
    assert await driver.messages("refresh") == 2


async def test_a_turn_that_takes_long_is_shared(driver: Driver) -> None:
    """Once its time is over, a webhook kicks another worker; the end of the first turn does not end that one's."""
    await driver.accept("imp_1")
    first = await driver.claim_one()
    await driver.forget_kicks()
    await driver.accept("imp_2")
    assert await driver.messages("refresh") == 2
    second = await driver.claim_one()
    assert await driver.redis.persist(key("kicked", str(REFRESH)))
    await driver.accept("imp_3")
    assert await driver.commit(first, paid("imp_1")) == "ok"
    assert await driver.messages("refresh") == 2
    assert await driver.commit(second, paid("imp_2")) == "ok"
    assert await driver.messages("refresh") == 3


async def test_a_lane_is_shared_if_something_is_due(ledger: Ledger, driver: Driver) -> None:
    """Once the turn is over, and no other kick is under way."""
    await driver.accept("imp_1")
    await driver.claim()
    await driver.forget_kicks()
    await ledger.refresh_lane.share(REFRESH)
    assert await driver.messages("refresh") == 1
    await driver.accept("imp_2")
    await driver.forget_kicks()
    for _ in range(2):
        await ledger.refresh_lane.share(REFRESH)
    assert await driver.messages("refresh") == 3


async def test_many_payments_are_shared(driver: Driver) -> None:
    """A worker with much to do is not alone with a lane."""
    await asyncio.gather(*(driver.accept(f"imp_{n}") for n in range(17)))
    assert len(await driver.claim()) == 17
    await driver.accept("imp_more")
    assert await driver.messages("refresh") == 2


async def test_a_full_batch_kicks_again(driver: Driver) -> None:
    """A claim that leaves due work kicks the lane before it starts; one that takes all does not."""
    await asyncio.gather(*(driver.accept(f"imp_{n}") for n in range(5)))
    await driver.claim(limit=3)
    assert await driver.messages("refresh") == 2
    await driver.claim(limit=3)
    assert await driver.messages("refresh") == 2


async def test_a_kick_that_was_lost_is_sent_again(ledger: Ledger, driver: Driver) -> None:
    """Its flag expires by itself within seconds, and the sweep kicks the lane."""
    await driver.accept()
    assert 0 < await driver.redis.pttl(key("kicked", str(REFRESH))) <= 5000
    assert await swept(ledger) == []
    await driver.pass_time(5)
    assert await swept(ledger) == [REFRESH]
    assert await driver.messages("refresh") == 2


async def test_one_worker_sweeps_at_a_time(ledger: Ledger, driver: Driver) -> None:
    """Whoever swept last goes on doing it; another takes over when it has been silent."""
    await driver.accept()
    await driver.forget_kicks()
    assert await swept(ledger, "first") == [REFRESH]
    await driver.forget_kicks()
    assert await swept(ledger, "second") == []
    assert await swept(ledger, "first") == [REFRESH]
    await driver.redis.delete(key("leader", "sweep"))
    await driver.forget_kicks()
    assert await swept(ledger, "second") == [REFRESH]


async def test_the_sweep_tells_of_what_is_due_only(ledger: Ledger, driver: Driver) -> None:
    """A lane whose work is for later is left alone until then."""
    await driver.plan("imp_1", 60)
    assert await swept(ledger) == []
    await driver.pass_time(61)
    assert await swept(ledger) == [REFRESH]
