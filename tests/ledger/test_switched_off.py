"""Endpoints that are disabled, gone or deleted: held, released, discarded."""

from __future__ import annotations

from collections import Counter

import pytest

from ledger import Ledger
from schemas.endpoints.delivery import Disable
from schemas.errors import Conflict
from tests.support.ledger_driver import Driver, paid
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import key, swept
from tests.support.reasons import because, said


async def states(driver: Driver, endpoint: str) -> Counter[str]:
    """How many deliveries to an endpoint are in each stored state."""
    return Counter(row["state"] for row in (await driver.rows("dlv")).values() if row["endpoint"] == endpoint)


async def test_a_disabled_endpoint_is_held_and_enabling_releases_it(ledger: Ledger, driver: Driver) -> None:
    """Disabled, its lane claims nothing and nothing kicks it, though events come; enabling kicks it at once."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 2)
    await ledger.endpoints.disable("ep_1", because("an operator asked for it"))
    await driver.forget_kicks()
    await driver.look(paid("imp_late"))
    assert await driver.take(lane) == ()
    assert not await driver.kicked(lane)
    assert await swept(ledger) == []
    assert str(lane) not in await driver.lanes()
    await ledger.endpoints.enable("ep_1")
    assert await driver.kicked(lane)
    assert len(await driver.take(lane)) == 3


async def test_410_disables_the_endpoint_and_holds_its_deliveries(ledger: Ledger, driver: Driver) -> None:
    """The delivery it answered is held with the others, with no attempt used up; what is under way still counts."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 3)
    gone, fine, failed = await driver.take(lane)
    await driver.settle(gone, Disable(because("answered 410 (gone)")))
    assert (await ledger.endpoints.get("ep_1")).state == "disabled"
    assert (await driver.settle(fine), await driver.fail(failed, 1)) == ("ok", "ok")
    await driver.pass_time(60)
    assert (await driver.take(lane), await driver.lanes()) == ((), {})
    await ledger.endpoints.enable("ep_1")
    assert {one.id: one.attempts for one in await driver.take(lane)} == {gone.id: 0, failed.id: 1}


async def test_a_late_410_brings_no_deleted_endpoint_back(ledger: Ledger, driver: Driver) -> None:
    """An endpoint deleted while something was being sent to it stays deleted."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    await ledger.cells[0].run("delete_endpoint", "ep_1")
    await driver.settle(delivery, Disable(because("answered 410 (gone)")))
    assert await driver.redis.hget(key("endpoint", "ep_1"), "state") == b"deleted"
    await ledger.cells[0].run("discard_deliveries", "ep_1")
    assert await driver.state(delivery) == "discarded"


async def test_deleting_an_endpoint_discards_what_it_had_to_get(ledger: Ledger, driver: Driver) -> None:
    """Also what waits in a chain, and what is being sent: its result finds its lease gone."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100))
    delivery = await driver.take_one(lane)
    await ledger.endpoints.delete("ep_1")
    assert await driver.settle(delivery) == "lost"
    assert await states(driver, "ep_1") == {"discarded": 2}
    await driver.look(paid("imp_2"))
    assert await driver.lanes() == {}


async def test_what_a_merchant_does_not_include_any_more_is_discarded(ledger: Ledger, driver: Driver) -> None:
    """With the flag for test channels goes what is pending of them: in the lane, in a chain, being sent and held.
    Other payments go on, and it cannot be sent before the flag is back."""
    await ledger.merchants.put("default", imp_key="k", imp_secret="s", include_sandbox=True)
    lane = await driver.subscribe()
    await driver.subscribe("ep_2")
    await driver.look(paid("imp_test", 100, 200, sandbox=True))
    await driver.look(paid("imp_live", 100, custom_data='"sandbox":true,"detail":'))
    being_sent = (await driver.take(lane, 1))[0]
    assert being_sent.imp_uid == "imp_test"
    await ledger.endpoints.disable("ep_2", because("an operator asked for it"))

    await ledger.merchants.put("default", imp_key="k", imp_secret="s")

    assert await driver.settle(being_sent) == "lost"
    for name in ("ep_1", "ep_2"):
        assert await states(driver, name) == {"discarded": 3, "pending": 2}
    sent = await ledger.deliveries.get(being_sent.id)
    assert (sent.state, said(sent.reason)) == (
        "discarded",
        "the payment came through a test channel, and the merchant excludes those",
    )
    with pytest.raises(Conflict, match="test channel"):
        await ledger.deliveries.retry(being_sent.id)
    for _ in range(2):
        live = await driver.take_one(lane)
        assert live.imp_uid == "imp_live"
        await driver.settle(live)
    await ledger.merchants.put("default", imp_key="k", imp_secret="s", include_sandbox=True)
    await ledger.deliveries.retry(being_sent.id)
    assert (await driver.take_one(lane)).id == being_sent.id


async def test_many_are_discarded_in_steps(ledger: Ledger, driver: Driver) -> None:
    """A long chain and many payments: no step does all of it, and after each of them the ledger is in order."""
    await ledger.merchants.put("default", imp_key="k", imp_secret="s", include_sandbox=True)
    await driver.subscribe()
    await driver.look(paid("imp_long", *([1] * 450), sandbox=True))
    for n in range(150):
        await driver.look(paid(f"imp_{n}", sandbox=True))
    await driver.redis.hset(key("merchant", "default"), "include_sandbox", "0")
    cursor, steps = b"0", 0
    while cursor:
        cursor = await ledger.cells[0].run("discard_sandbox_deliveries", "default", "ep_1", cursor)
        assert await problems(ledger) == []
        steps += 1
    assert steps >= 3
    assert await states(driver, "ep_1") == {"discarded": 601}
