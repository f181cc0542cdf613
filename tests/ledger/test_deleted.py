"""What is left of merchants and endpoints that were deleted, and of reconciliations that are over, and for how long."""

from __future__ import annotations

import time

import pytest

from ledger.constants import AUTO
from ledger.keys import Lane
from ledger.reconciliations import Reconciliation
from ledger.retention import BATCH
from schemas.errors import NotFound
from tests.support import stored_payments
from tests.support.ledger_driver import Driver, notification, paid
from tests.support.ledger_redis import key, swept
from tests.support.reasons import because, said

SHOP = Lane("refresh", "shop")
SLOW = Lane("unknown", "shop")


async def a_shop(driver: Driver) -> None:
    """A merchant with a payment due for a refresh now, one due later, and one that i'mport does not know."""
    await driver.ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    await driver.accept("imp_slow", merchant="shop")
    slow = await driver.claim_one(SHOP)
    await driver.ledger.refresh_lane.postpone(slow, "unknown", due_in=2, tries=1)
    await driver.plan("imp_later", 90 * 86400, "shop")
    await driver.accept("imp_now", merchant="shop")


async def tidy(driver: Driver, *, after: float) -> int:
    """Tidy as if so many seconds had passed, with a retention of a day."""
    then = await driver.ledger.now() + after
    return await driver.tidy(then - 86400)


async def test_nobody_is_sent_to_the_payments_of_a_merchant_that_was_deleted(driver: Driver) -> None:
    """Its lanes are closed, whatever is due in them or comes back to them."""
    await a_shop(driver)
    claimed = await driver.claim_one(SHOP)
    await driver.ledger.merchants.delete("shop")
    await driver.ledger.refresh_lane.pause(SHOP, 1, because("merchant shop is not set up"))
    await driver.ledger.refresh_lane.postpone(claimed, "stalled", due_in=0, tries=1)
    await driver.pass_time(100 * 86400)
    await driver.forget_kicks()
    assert await driver.lanes() == {}
    assert await swept(driver.ledger) == []
    await driver.ledger.refresh_lane.mark_dirty("shop", "imp_new")
    assert not await driver.kicked(SHOP)


async def test_a_merchant_that_is_put_again_goes_on(driver: Driver) -> None:
    """Payments that were dirty before it was deleted are refreshed as if it had never been away."""
    await a_shop(driver)
    await driver.ledger.merchants.delete("shop")
    await driver.pass_time(10)
    await driver.ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    await driver.forget_kicks()
    assert {str(lane) for lane in await swept(driver.ledger)} == {str(SHOP), str(SLOW)}
    assert await driver.commit(await driver.claim_one(SHOP), paid("imp_now")) == "ok"
    await tidy(driver, after=10 * 86400)
    assert (list(await driver.due(SHOP)), list(await driver.due(SLOW))) == (["imp_later"], ["imp_slow"])


async def test_what_a_deleted_merchant_waited_for_is_given_up_in_the_end(driver: Driver) -> None:
    """After the retention its notifications are rejected, nothing of its lanes is left, and its payments leave."""
    await a_shop(driver)
    one = notification("imp_now", merchant="shop", status="cancelled", cancellation_id="c1")
    await driver.ledger.intake.accept(one)
    await driver.mark_silently("imp_now", "shop")
    claimed = await driver.claim_one(SHOP)
    assert await driver.commit(claimed, paid("imp_now")) == "ok"
    await driver.accept("imp_now", merchant="shop")
    await driver.lose((await driver.claim_one(SHOP)).lease)
    await driver.ledger.merchants.delete("shop")
    assert await tidy(driver, after=86400 / 2) == 0
    while await tidy(driver, after=2 * 86400):
        pass
    for lane in (SHOP, SLOW):
        kinds = ("due", "leased", "tokens", "touched", "tries", "stalled", "silent")
        assert await driver.redis.exists(*(key(kind, str(lane)) for kind in kinds)) == 0
    assert await stored_payments.waiting(driver.redis) == {}
    assert await driver.redis.exists(key("pay", "shop/imp_now")) == 0


async def test_rejected_notifications_of_a_deleted_merchant_leave(driver: Driver) -> None:
    """Also where there never was a record of their payment."""
    await driver.ledger.merchants.ensure("shop")
    await driver.accept("imp_never", merchant="shop")
    await driver.ledger.merchants.delete("shop")
    while await tidy(driver, after=2 * 86400):
        pass
    assert await driver.redis.exists(key("pay", "shop/imp_never"), key("ageing")) == 0


async def test_default_is_never_gone(driver: Driver) -> None:
    """Its webhooks are accepted even before it is set up, so its lane stays open and is kicked."""
    await driver.ledger.merchants.ensure("default")
    await driver.accept("imp_1")
    await driver.ledger.merchants.delete("default")
    await driver.forget_kicks()
    assert [str(lane) for lane in await swept(driver.ledger)] == ["refresh/default"]
    assert await tidy(driver, after=10 * 86400) == 0


async def test_a_deleted_endpoint_is_remembered_while_it_has_unsettled_deliveries(driver: Driver) -> None:
    """Until they are discarded, where that broke off; then it leaves by retention, and they with their payment."""
    lane = await driver.subscribe()
    await driver.look(paid())
    await driver.ledger.cells[0].run("delete_endpoint", lane.name)
    assert await driver.ledger.endpoints.states() == {lane.name: "deleted"}
    await driver.redis.zadd(key("endpoints", "deleted"), {lane.name: round(time.time() - 3 * 86400) * 1000})
    assert await tidy(driver, after=0) == 0
    assert await driver.ledger.endpoints.states() == {lane.name: "deleted"}
    with pytest.raises(NotFound):
        await driver.ledger.endpoints.delete(lane.name)
    assert await tidy(driver, after=0) == 1
    assert await driver.ledger.endpoints.states() == {}
    (sent,) = [await driver.ledger.deliveries.get(name) for name in await driver.ids("dlv")]
    assert (sent.state, said(sent.reason)) == ("discarded", "the endpoint was deleted")
    await driver.redis.zadd(key("ageing"), {"default/imp_1": 0})
    while await tidy(driver, after=0):
        pass
    await driver.forget_kicks()
    left = [name.decode() async for name in driver.redis.scan_iter(f"*{lane.name}*")]
    assert left == []


async def test_an_endpoint_that_was_just_deleted_stays_for_the_retention(driver: Driver) -> None:
    """Even where it never got anything: what refers to it may still be written."""
    lane = await driver.subscribe()
    await driver.ledger.endpoints.delete(lane.name)
    assert await tidy(driver, after=86000) == 0
    assert await driver.ledger.endpoints.states() == {lane.name: "deleted"}
    assert await tidy(driver, after=87000) == 1
    assert await driver.ledger.endpoints.states() == {}


async def test_reconciliations_that_are_over_leave(driver: Driver) -> None:
    """Those by hand after the retention, unless they go on; an automatic one with its merchant."""
    runs = driver.ledger.reconciliations
    await driver.ledger.merchants.put("shop", imp_key="k", imp_secret="s")
    for name in ("rec_over", f"{AUTO}shop"):
        await runs.save(Reconciliation(name, "shop", 0, 1, state="done"))
    await runs.save(Reconciliation("rec_on", "shop", 0, 1, state="running"))
    await driver.ledger.merchants.delete("shop")
    assert await tidy(driver, after=86400 / 2) == 0
    assert await tidy(driver, after=2 * 86400) == 1
    left = [name.decode() async for name in driver.redis.scan_iter("*recon*")]
    assert sorted(left) == [key("recon", "rec_on"), key("recons"), key("recons", "m", "shop")]
    assert [run.id for run in await runs.some(["rec_over", "rec_on"])] == ["rec_on"]
    assert await tidy(driver, after=2 * 86400) == 0


async def test_what_has_to_stay_keeps_nothing_else(driver: Driver) -> None:
    """More old replays that run, and more old tests that wait, than a script removes: what is newer leaves."""
    stay = {f"rpl_{n}": n for n in range(BATCH)}
    await driver.redis.zadd(key("replays"), {**stay, "rpl_over": BATCH})
    for replay in stay:
        await driver.redis.hset(key("replay", replay), "state", "running")
    await driver.redis.hset(key("replay", "rpl_over"), "state", "done")
    assert await tidy(driver, after=0) == 1
    assert not await driver.redis.exists(key("replay", "rpl_over"))
    await driver.redis.delete(key("replays"), *(key("replay", replay) for replay in stay))
