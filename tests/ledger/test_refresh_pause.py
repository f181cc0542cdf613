"""i'mport does not know a payment, or fails: a slow lane, a pause with single probes, and catching up."""

from __future__ import annotations

import asyncio

import pytest

from ledger import Ledger
from ledger.refresh_lane import ClaimedPayment
from schemas.errors import NotFound
from tests.support.ledger_driver import REFRESH, THEN, UNKNOWN, Driver, paid
from tests.support.ledger_redis import swept
from tests.support.reasons import because, said


async def unknown(driver: Driver, claimed: ClaimedPayment, due_in: float = 2.0, tries: int = 1) -> None:
    """Postpone a payment that i'mport does not know."""
    await driver.ledger.refresh_lane.postpone(claimed, "unknown", due_in=due_in, tries=tries)


async def stall(driver: Driver, claimed: ClaimedPayment, due_in: float = 60.0, tries: int = 1) -> None:
    """Postpone a payment because i'mport fails."""
    await driver.ledger.refresh_lane.postpone(claimed, "stalled", due_in=due_in, tries=tries)


async def test_an_unknown_payment_moves_to_the_slow_lane(driver: Driver) -> None:
    """It is due there by its schedule, and no claim of the ordinary lane gives it."""
    await driver.accept()
    await unknown(driver, await driver.claim_one())
    assert list(await driver.lanes()) == [str(UNKNOWN)]
    assert (await driver.claim(), await driver.claim(UNKNOWN)) == ((), ())
    await driver.pass_time(2)
    claimed = await driver.claim_one(UNKNOWN)
    assert (claimed.tries, claimed.record.version) == (1, 0)


async def test_a_flood_of_made_up_ids_is_one_look_up_a_second(driver: Driver) -> None:
    """A hundred at most are claimed at once, and the next no sooner than a second later."""
    for batch in range(3):
        await asyncio.gather(*(driver.accept(f"imp_{batch}_{n}") for n in range(100)))
        await asyncio.gather(*(unknown(driver, claimed, 1.0) for claimed in await driver.claim()))
    await driver.pass_time(10)
    assert len(await driver.claim(UNKNOWN)) == 100
    await driver.forget_kicks()
    assert await driver.claim(UNKNOWN) == ()
    assert not await driver.kicked(UNKNOWN)
    await driver.pass_time(1)
    assert len(await driver.claim(UNKNOWN)) == 100


async def test_webhooks_do_not_hurry_the_slow_lane(ledger: Ledger, driver: Driver) -> None:
    """An unknown payment is looked at once a second at most, whatever is posted about it and whenever."""
    await driver.accept()
    claimed = await driver.claim_one()
    await driver.accept()
    now = await ledger.now()
    await unknown(driver, claimed, due_in=30)
    assert (await driver.due(UNKNOWN))["imp_1"] / 1000 >= now + 1
    assert await driver.claim(UNKNOWN) == ()
    await driver.pass_time(1.1)
    claimed = await driver.claim_one(UNKNOWN)
    await driver.accept()
    await unknown(driver, claimed, due_in=30)
    await driver.accept()
    now = await ledger.now()
    assert now + 30 > (await driver.due(UNKNOWN))["imp_1"] / 1000 >= now + 0.9
    assert list(await driver.lanes()) == [str(UNKNOWN)]


async def test_a_payment_that_turns_up_goes_back_to_the_ordinary_lane(driver: Driver) -> None:
    """Found in the slow lane, it is committed, and whatever comes next is looked at in the ordinary one."""
    one = await driver.accept()
    await unknown(driver, await driver.claim_one())
    await driver.pass_time(5)
    claimed = await driver.claim_one(UNKNOWN)
    await driver.accept()
    assert await driver.commit(claimed, paid()) == "ok"
    assert await driver.outcome(one) == "applied"
    assert list(await driver.lanes()) == [str(REFRESH)]
    await driver.pass_time(1.1)
    again = await driver.claim_one()
    assert (again.tries, again.record.version) == (0, 1)


async def test_after_the_last_try_it_is_rejected(driver: Driver) -> None:
    """Every notification so far is rejected with a reason, nothing stays due, and a later webhook starts anew."""
    early = [await driver.accept(), await driver.accept()]
    await unknown(driver, await driver.claim_one())
    await driver.pass_time(5)
    claimed = await driver.claim_one(UNKNOWN)
    await driver.ledger.refresh_lane.postpone(claimed, "rejected", due_in=None, reason=because("i'mport knows none"))
    assert [await driver.outcome(one) for one in early] == ["rejected", "rejected"]
    assert await driver.lanes() == {}
    await driver.accept()
    assert (await driver.claim_one()).tries == 0


async def test_tries_are_counted_and_forgotten_with_a_commit(driver: Driver) -> None:
    """The count of failed refreshes comes with the claim until one succeeds."""
    await driver.accept()
    for tries in range(3):
        claimed = await driver.claim_one()
        assert claimed.tries == tries
        await stall(driver, claimed, due_in=5, tries=tries + 1)
        await driver.pass_time(5)
    await driver.commit(await driver.claim_one(), paid())
    await driver.accept()
    assert (await driver.claim_one()).tries == 0


async def test_a_pause_stops_both_lanes_of_the_merchant(ledger: Ledger, driver: Driver) -> None:
    """Nothing of it is claimed or kicked until the pause is over; other merchants go on."""
    await ledger.merchants.put("other", imp_key="k", imp_secret="s")
    for n in range(3):
        await driver.accept(f"imp_{n}")
    claimed = await driver.claim(limit=2)
    await unknown(driver, claimed[0], due_in=0)
    await ledger.refresh_lane.pause(REFRESH, 30, because("i'mport answered 502"))
    await stall(driver, claimed[1], due_in=0)
    await driver.forget_kicks()
    await driver.accept("imp_9")
    assert (await driver.claim(), await driver.claim(UNKNOWN)) == ((), ())
    assert not await driver.kicked(REFRESH)
    assert not await driver.kicked(UNKNOWN)
    assert await swept(ledger) == []
    await driver.accept(merchant="other")
    assert len(await driver.claim(REFRESH._replace(name="other"))) == 1


async def test_after_a_pause_one_probe_goes_and_nobody_else(driver: Driver) -> None:
    """While the probe is out the lane waits for it, however many workers ask and whatever comes in."""
    for n in range(10):
        await driver.accept(f"imp_{n}")
    await driver.ledger.refresh_lane.pause(REFRESH, 5, because("trouble"))
    await driver.pass_time(5)
    await driver.forget_kicks()
    claims = await asyncio.gather(*(driver.ledger.refresh_lane.claim(REFRESH) for _ in range(5)))
    assert sorted(len(claimed.payments) for claimed in claims) == [0, 0, 0, 0, 1]
    assert {claimed.failures for claimed in claims} == {1}
    await driver.accept("imp_late")
    assert not await driver.kicked(REFRESH)
    assert await driver.claim() == ()


async def test_a_probe_that_fails_makes_all_wait_again(driver: Driver) -> None:
    """Failures in a row add up from probe to probe."""
    for n in range(3):
        await driver.accept(f"imp_{n}")
    for failures in (1, 2, 3):
        await driver.ledger.refresh_lane.pause(REFRESH, 5, because("trouble"))
        assert await driver.claim() == ()
        await driver.pass_time(5)
        claimed = await driver.ledger.refresh_lane.claim(REFRESH)
        assert claimed.failures == failures
        (probe,) = claimed.payments
        await stall(driver, probe, due_in=0)


async def test_a_probe_that_dies_is_followed_by_another(driver: Driver) -> None:
    """A worker killed with the probe in its hands holds the merchant up no longer than a lease."""
    for n in range(3):
        await driver.accept(f"imp_{n}")
    await driver.ledger.refresh_lane.pause(REFRESH, 5, because("trouble"))
    await driver.pass_time(5)
    await driver.claim_one()
    await driver.pass_time(10.1)
    await driver.forget_kicks()
    assert await swept(driver.ledger) == [REFRESH]
    await driver.claim_one()
    assert await driver.claim() == ()


async def test_batches_that_fail_together_are_one_failure(driver: Driver) -> None:
    """Look-ups that were under way when i'mport went away neither lengthen the next pause nor shorten this one."""
    for n in range(4):
        await driver.accept(f"imp_{n}")
    for _ in range(4):
        await driver.claim(limit=1)
    for seconds in (1, 300, 1, 2):
        await driver.ledger.refresh_lane.pause(REFRESH, seconds, because("trouble"))
    await driver.pass_time(290)
    assert await driver.claim() == ()
    await driver.pass_time(15)
    claimed = await driver.ledger.refresh_lane.claim(REFRESH)
    assert (len(claimed.payments), claimed.failures) == (1, 1)


async def test_on_recovery_everything_put_off_is_caught_up_at_once(driver: Driver) -> None:
    """What was to wait for an hour is due as soon as a probe succeeds, in full batches again."""
    for n in range(20):
        await driver.accept(f"imp_{n:02}")
    await driver.ledger.refresh_lane.pause(REFRESH, 5, because("trouble"))
    assert await driver.claim() == ()
    await driver.pass_time(5)
    (probe,) = await driver.claim()
    await driver.ledger.refresh_lane.resume(REFRESH)
    for claimed in await driver.claim():
        await stall(driver, claimed, due_in=3600)
    assert await driver.claim() == ()
    await driver.forget_kicks()
    await driver.ledger.refresh_lane.resume(REFRESH)
    assert await driver.kicked(REFRESH)
    assert len(await driver.claim()) == 19
    await driver.commit(probe, paid(probe.record.imp_uid))


async def test_what_failed_together_with_the_look_that_recovered_waits_for_nothing(driver: Driver) -> None:
    """A batch that reports its failure only after the recovery is caught up by the next one."""
    await driver.accept("imp_1")
    await driver.accept("imp_2")
    (late,) = await driver.claim(limit=1)
    await driver.ledger.refresh_lane.pause(REFRESH, 1, because("trouble"))
    await driver.pass_time(1)
    (probe,) = await driver.claim(limit=1)
    await driver.ledger.refresh_lane.resume(REFRESH)
    await driver.commit(probe, paid(probe.record.imp_uid))
    await driver.ledger.refresh_lane.pause(REFRESH, 1, because("trouble"))
    await stall(driver, late, due_in=3600)
    await driver.accept("imp_3")
    await driver.pass_time(1)
    claimed = await driver.ledger.refresh_lane.claim(REFRESH)
    assert (len(claimed.payments), claimed.failures) == (1, 1)
    await driver.ledger.refresh_lane.resume(REFRESH)
    assert len(await driver.claim()) == 1


async def test_recovery_keeps_the_slow_lanes_budget(ledger: Ledger, driver: Driver) -> None:
    """Unknown payments are caught up too, no sooner than a second after they were looked at."""
    await driver.accept()
    await unknown(driver, await driver.claim_one(), due_in=1)
    await driver.pass_time(1.1)
    claimed = await driver.claim_one(UNKNOWN)
    await ledger.refresh_lane.pause(UNKNOWN, 5, because("trouble"))
    await stall(driver, claimed, due_in=0)
    await ledger.refresh_lane.resume(REFRESH)
    assert await driver.claim(UNKNOWN) == ()
    await driver.pass_time(1.1)
    await driver.claim_one(UNKNOWN)


async def test_trouble_is_shown_at_the_merchant_and_goes_with_it(ledger: Ledger, driver: Driver) -> None:
    """Operators see in words why i'mport cannot be asked, until it can."""
    await ledger.merchants.put("default", imp_key="k", imp_secret="s")
    await ledger.refresh_lane.pause(REFRESH, 5, because("i'mport turned imp_key and imp_secret down"))
    assert said((await ledger.merchants.get("default")).trouble) == "i'mport turned imp_key and imp_secret down"
    await ledger.refresh_lane.resume(REFRESH)
    assert (await ledger.merchants.get("default")).trouble is None


async def test_trouble_makes_no_merchant(ledger: Ledger, driver: Driver) -> None:
    """A pause for a merchant that is not set up yet does not keep it from being set up."""
    await ledger.refresh_lane.pause(REFRESH, 5, because("no credentials"))
    with pytest.raises(NotFound):
        await ledger.merchants.get("default")
    await ledger.refresh_lane.resume(REFRESH)
    await ledger.merchants.ensure("default")
    assert (await ledger.merchants.get("default")).created_at > THEN / 2


async def test_a_probe_that_succeeds_is_not_looked_at_twice(driver: Driver) -> None:
    """Recovery makes everything due that was put off, except for what is in the hands of whoever found out."""
    await driver.accept()
    await stall(driver, await driver.claim_one())
    await driver.ledger.refresh_lane.pause(REFRESH, 5, because("trouble"))
    await driver.pass_time(61)
    probe = await driver.claim_one()
    await driver.ledger.refresh_lane.resume(REFRESH)
    await driver.commit(probe, paid())
    assert await driver.due(REFRESH) == {}
