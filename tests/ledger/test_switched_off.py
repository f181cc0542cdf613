"""Endpoints that are disabled, gone or deleted: held, released, discarded."""

from __future__ import annotations

from ledger import Ledger
from ledger.keys import key
from schemas.delivery import Disable
from tests.ledger.driving import Driver, paid


async def test_a_disabled_endpoint_is_held_and_enabling_releases_it(ledger: Ledger, driver: Driver) -> None:
    """Disabled, its lane claims nothing and nothing kicks it, though events come; enabling kicks it at once."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 2)
    await ledger.endpoints.disable("ep_1", "an operator asked for it")
    await driver.forget_kicks()
    await driver.look(paid("imp_late"))
    assert await driver.take(lane) == ()
    assert not await driver.kicked(lane)
    assert await ledger.sweep("me") == []
    assert str(lane) not in await driver.lanes()
    assert str(lane) in await ledger.endpoints.enable("ep_1")
    assert len(await driver.take(lane)) == 3


async def test_410_disables_the_endpoint_and_holds_its_deliveries(ledger: Ledger, driver: Driver) -> None:
    """The delivery it answered is held with the others, with no attempt used up; what is under way still counts."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 3)
    gone, fine, failed = await driver.take(lane)
    await driver.settle(gone, Disable("answered 410 (gone)"))
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
    await ledger.store.run("delete_endpoint", "ep_1")
    await driver.settle(delivery, Disable("answered 410 (gone)"))
    assert await driver.redis.hget(key("endpoint", "ep_1"), "state") == b"deleted"
    await ledger.store.run("discard_deliveries", "ep_1")
    assert await driver.state(delivery) == "discarded"


async def test_deleting_an_endpoint_discards_what_it_had_to_get(ledger: Ledger, driver: Driver) -> None:
    """Also what waits in a chain, and what is being sent: its result finds its lease gone."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100))
    delivery = await driver.take_one(lane)
    await ledger.endpoints.delete("ep_1")
    assert await driver.settle(delivery) == "lost"
    assert await driver.redis.zcard(key("dlvs", "s", "ep_1/discarded")) == 2
    await driver.look(paid("imp_2"))
    assert await driver.lanes() == {}
