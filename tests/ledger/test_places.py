"""Endpoints' places in the ledger: shared by workers, and what a claim makes of them."""

from __future__ import annotations

import pytest

from ledger import Ledger
from ledger import places as shared_places
from ledger.delivery_lane import ClaimedDelivery
from ledger.endpoint_rows import load_places
from schemas.endpoints.places import FIRST, Answer, Places
from tests.support.ledger_driver import Driver, queue_url
from tests.support.ledger_redis import key


async def places(driver: Driver) -> Places:
    """The endpoint's places as they are stored."""
    return load_places(await driver.redis.hget(key("endpoint", "ep_1"), "places"))


async def test_an_endpoint_begins_with_few(ledger: Ledger, driver: Driver) -> None:
    """Good answers give it more, and the lane is kicked for them at once."""
    lane = await driver.subscribe(places=FIRST, max_in_flight=64)
    await driver.record_for(lane, 12)
    first = await driver.take(lane)
    assert [one.in_flight for one in first] == [FIRST] * FIRST
    for delivery in first:
        ledger.delivery_lane.answered(delivery, Answer(True, 20.0, delivery.in_flight))
    await driver.forget_kicks()
    await driver.settle(first[0])
    assert await driver.kicked(lane)
    assert len(await driver.take(lane)) == 5


async def test_workers_share_an_endpoints_places(redis_url: str, ledger: Ledger, driver: Driver) -> None:
    """What one worker's answers change, the other's are added to: none is lost, though both had read the same."""
    lane = await driver.subscribe(places=8, max_in_flight=64)
    other = Ledger.connect(redis_url, queue_url(redis_url))
    await driver.record_for(lane, 8)
    ours, theirs = await driver.take(lane, 4), (await other.delivery_lane.claim(lane, 4)).deliveries
    for deliveries, one in ((ours, ledger), (theirs, other)):
        for delivery in deliveries:
            one.delivery_lane.answered(delivery, Answer(True, 20.0, 8))
    for mine, their in zip(ours, theirs, strict=True):
        await driver.settle(mine)
        await Driver(other).settle(their)
    assert (await places(driver)).count == 16
    await other.close()


async def test_what_was_under_way_when_places_were_halved_does_not_count(ledger: Ledger, driver: Driver) -> None:
    """Eight that time out together halve them once; an endpoint that is enabled begins anew."""
    lane = await driver.subscribe(places=8, max_in_flight=64)
    await driver.record_for(lane, 9)
    for delivery in await driver.take(lane):
        ledger.delivery_lane.answered(delivery, Answer(False, 5000.0, 8))
        await driver.fail(delivery)
    assert (await places(driver)).count == 4
    await ledger.endpoints.enable("ep_1")
    assert await places(driver) == Places()


async def test_endpoints_that_were_sent_to_long_ago_are_forgotten(
    ledger: Ledger, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process knows so many, those it claimed for latest; an answer of another one is left out, and does no harm."""
    monkeypatch.setattr(shared_places, "MOST_KNOWN", 2)
    late: list[ClaimedDelivery] = []
    for name in ("ep_1", "ep_2", "ep_3"):
        lane = await driver.subscribe(name)
        await driver.record_for(lane, 1, first=len(late))
        late.append(await driver.take_one(lane))
    assert list(ledger.delivery_lane._places._known) == ["ep_2", "ep_3"]
    for delivery in late:
        ledger.delivery_lane.answered(delivery, Answer(True, 20.0, 1))
        assert await driver.settle(delivery) == "ok"
    assert list(ledger.delivery_lane._places._known) == ["ep_2", "ep_3"]
