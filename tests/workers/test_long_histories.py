"""Refreshes of payments with thousands of deposits, beside others of the same batch."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from tests.support.iamport_stub import payment
from tests.support.ledger_driver import REFRESH, THEN
from tests.support.waiting import until
from tests.workers.test_refresh import Shop, shop

__all__ = ["shop"]


def fixed(deposits: int) -> dict[str, Any]:
    """A fixed virtual account with so many deposits, as i'mport shows it."""
    rows = [
        {"pg_tid": f"dep_{n:026}", "amount": 1000, "depositor_name": "Hong Gildong", "deposited_at": THEN + n}
        for n in range(deposits)
    ]
    return payment("imp_fixed", amount=0, pay_method="vbank", paid_at=THEN, deposit_history=rows)


async def test_one_look_finds_thousands_of_deposits(shop: Shop) -> None:
    """Each is an event; a second refresh finds nothing new."""
    shop.pay("imp_1")
    shop.shown["imp_fixed"] = fixed(1500)
    for news in (1501, 1501):
        await shop.driver.accept("imp_fixed")
        await shop.driver.accept("imp_1")
        await shop.refresh(REFRESH.address)
        assert await shop.statuses() == {"imp_1": "paid", "imp_fixed": "paid"}
        assert len(await shop.driver.ids("evt")) == news
        assert await shop.driver.due(REFRESH) == {}


async def test_a_payment_that_redis_has_no_room_for_is_put_off_alone(shop: Shop) -> None:
    """Nothing is written of it; others of its batch are, and when there is room it is as well."""
    shop.pay("imp_1", "imp_2")
    shop.shown["imp_fixed"] = fixed(3000)
    for imp_uid in ("imp_1", "imp_fixed", "imp_2"):
        await shop.driver.accept(imp_uid)
    redis = shop.driver.redis
    used = int((await redis.info("memory"))["used_memory"])
    try:
        await redis.config_set("maxmemory", used + 4_000_000)
        await shop.refresh(REFRESH.address)
        assert await shop.statuses() == {"imp_1": "paid", "imp_2": "paid"}
        assert list(await shop.driver.due(REFRESH)) == ["imp_fixed"]
        assert await shop.driver.tries(REFRESH, "imp_fixed") == 1
    finally:
        await redis.config_set("maxmemory", 0)
    await shop.driver.pass_time(10)
    await shop.refresh(REFRESH.address)
    assert (await shop.statuses())["imp_fixed"] == "paid"


async def test_one_payment_that_fails_for_its_size_leaves_the_others_alone(shop: Shop) -> None:
    """An object that Redis cannot take is put off; what was looked up with it is recorded, or due again soon."""
    shop.pay("imp_1", "imp_2")
    shop.shown["imp_large"] = payment("imp_large", paid_at=THEN, custom_data="x" * 8_000_000)
    for imp_uid in ("imp_1", "imp_large", "imp_2"):
        await shop.driver.accept(imp_uid)
    redis = shop.driver.redis
    used = int((await redis.info("memory"))["used_memory"])
    try:
        await redis.config_set("maxmemory", used + 3_000_000)
        await shop.refresh(REFRESH.address)
        assert "imp_large" in await shop.driver.due(REFRESH)
        assert "imp_large" not in await shop.statuses()
        assert {*await shop.statuses(), *await shop.driver.due(REFRESH)} == {"imp_1", "imp_2", "imp_large"}
    finally:
        await redis.config_set("maxmemory", 0)


async def test_steps_that_were_written_are_logged_where_a_later_one_fails(shop: Shop) -> None:
    """Each event that is recorded has its line in the log, also where somebody else wrote on the way."""
    shop.shown["imp_fixed"] = fixed(1500)
    await shop.driver.accept("imp_fixed")
    with structlog.testing.capture_logs() as lines:
        looking = asyncio.create_task(shop.refresh(REFRESH.address))
        await until(lambda: shop.driver.ids("evt"), "the first step is written", every=0.001)
        await shop.driver.write_meanwhile("default/imp_fixed")
        await looking
    outcomes = [line["outcome"] for line in lines if line["event"] == "payment_looked_up"]
    recorded = [line["sequence"] for line in lines if line["event"] == "event_recorded"]
    assert outcomes == ["changed"]
    assert recorded == list(range(1, len(await shop.driver.ids("evt")) + 1))
    assert 0 < len(recorded) < 1501
