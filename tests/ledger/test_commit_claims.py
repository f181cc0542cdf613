"""Commits that claim what they make due, for a worker that sends it itself."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from ledger import Ledger
from schemas import wire
from schemas.errors import LedgerRefused
from tests.support.ledger_driver import Driver, Taker, paid
from tests.support.ledger_redis import key
from tests.support.reasons import because


@pytest.fixture
def taker(ledger: Ledger) -> Taker:
    """Takes all that there is."""
    taker = Taker(100)
    taker.take_from(ledger)
    return taker


async def test_what_becomes_due_is_claimed_at_once(driver: Driver, taker: Taker) -> None:
    """With all that a claim gives, also of a second endpoint, whose event shows the same object."""
    lanes = {await driver.subscribe(name, ordered=False) for name in ("ep_1", "ep_2")}
    await driver.look(paid("imp_1", 300))
    claims = taker.taken()
    assert {claim.lane for claim in claims} == lanes
    for claim in claims:
        assert claim.endpoint is not None
        assert claim.endpoint.id == claim.lane.name
        assert {one.type for one in claim.deliveries} == {"payment.paid", "payment.partially_cancelled"}
        for one in claim.deliveries:
            assert one.body == (await driver.ledger.events.get(one.event)).body
            assert wire.loads(one.body)["data"]["payment"] == wire.loads(paid("imp_1", 300).raw)
            assert (one.attempts, one.replay, one.id) == (0, False, f"{one.event}.{claim.lane.name}")
        assert not await driver.kicked(claim.lane)
        assert await driver.take(claim.lane) == ()
        assert [await driver.settle(one) for one in claim.deliveries] == ["ok", "ok"]
        assert [await driver.state(one) for one in claim.deliveries] == ["delivered", "delivered"]


async def test_no_more_is_claimed_than_the_endpoint_takes(driver: Driver, taker: Taker) -> None:
    """Once it is full its lane is left alone, and kicked when a place is free."""
    lane = await driver.subscribe(places=1)
    await driver.look(paid("imp_1"))
    await driver.look(paid("imp_2"))
    ((first,),) = [claim.deliveries for claim in taker.taken()]
    assert not await driver.kicked(lane)
    await driver.settle(first)
    assert await driver.kicked(lane)
    assert (await driver.take_one(lane)).imp_uid == "imp_2"


async def test_what_is_left_over_is_kicked(driver: Driver, taker: Taker) -> None:
    """The worker takes only one, and the endpoint would take more."""
    taker.number = 1
    lane = await driver.subscribe(ordered=False)
    await driver.look(paid("imp_1", 300))
    assert [len(claim.deliveries) for claim in taker.taken()] == [1]
    assert await driver.kicked(lane)


async def test_the_lanes_of_many_endpoints_are_kicked(driver: Driver, taker: Taker) -> None:
    """One script claims deliveries of a few: Redis does nothing else meanwhile."""
    lanes = [await driver.subscribe(f"ep_{number}") for number in range(6)]
    await driver.look(paid("imp_1"))
    claimed = {claim.lane for claim in taker.taken()}
    assert len(claimed) == 4
    assert {lane for lane in lanes if await driver.kicked(lane)} == set(lanes) - claimed


@pytest.mark.parametrize("number", [0, None])
async def test_a_process_that_sends_nothing_claims_nothing(ledger: Ledger, driver: Driver, number: int | None) -> None:
    """As a console, or a worker that is stopping: another worker is kicked."""
    if number is not None:
        Taker(number).take_from(ledger)
    lane = await driver.subscribe()
    await driver.look(paid("imp_1"))
    assert await driver.kicked(lane)
    assert len(await driver.take(lane)) == 1


async def test_a_disabled_endpoint_gets_nothing(driver: Driver, taker: Taker) -> None:
    """Its delivery waits, as if the commit had claimed nothing."""
    lane = await driver.subscribe()
    await driver.ledger.endpoints.disable("ep_1", because("answered 410 (gone)"))
    await driver.look(paid("imp_1"))
    assert taker.taken() == []
    assert not await driver.kicked(lane)
    await driver.ledger.endpoints.enable("ep_1")
    assert len(await driver.take(lane)) == 1


async def test_the_oldest_of_a_lane_go_first(driver: Driver, taker: Taker) -> None:
    """A commit claims what is due in a lane that it fills, not just its own deliveries."""
    taker.number = 0
    lane = await driver.subscribe(places=1)
    await driver.look(paid("imp_old"))
    taker.number = 100
    await driver.look(paid("imp_new"))
    ((only,),) = [claim.deliveries for claim in taker.taken()]
    assert only.imp_uid == "imp_old"
    await driver.settle(only)
    assert (await driver.take_one(lane)).imp_uid == "imp_new"


async def test_an_endpoint_that_scripts_cannot_read_harms_no_commit(driver: Driver, taker: Taker) -> None:
    """Its lane is kicked, and the log says what is wrong: once for many commits."""
    broken, fine = await driver.subscribe("ep_1"), await driver.subscribe("ep_2")
    await driver.redis.hdel(key("endpoint", "ep_1"), "max_in_flight")
    with capture_logs() as lines:
        await driver.look(paid("imp_1"))
        await driver.look(paid("imp_2"))
    (line,) = lines
    assert (line["event"], line["log_level"], line["lane"]) == ("claim_failed", "warning", str(broken))
    assert "number expected" in line["error"]
    assert {claim.lane for claim in taker.taken()} == {fine}
    assert await driver.kicked(broken)
    with pytest.raises(LedgerRefused):
        await driver.take(broken)
    await driver.redis.hset(key("endpoint", "ep_1"), "max_in_flight", 5)
    assert {one.imp_uid for one in await driver.take(broken)} == {"imp_1", "imp_2"}


async def test_what_redis_refuses_to_a_claim_is_logged(driver: Driver, taker: Taker) -> None:
    """With Redis' own words."""
    broken = await driver.subscribe("ep_1")
    await driver.redis.delete(key("endpoint", "ep_1"))
    await driver.redis.set(key("endpoint", "ep_1"), "no hash")
    with capture_logs() as lines:
        await driver.look(paid("imp_1"))
    (line,) = lines
    assert (line["event"], line["lane"]) == ("claim_failed", str(broken))
    assert "WRONGTYPE" in line["error"]
    assert await driver.kicked(broken)
    await driver.redis.flushdb()


async def test_an_endpoint_that_nobody_can_read_harms_no_commit(driver: Driver, taker: Taker) -> None:
    """The deliveries of the others are passed on."""
    lanes = [await driver.subscribe(f"ep_{number}") for number in (1, 2)]
    row = await driver.redis.hget(key("endpoint", "ep_1"), "row")
    await driver.redis.hset(key("endpoint", "ep_1"), "row", row[:-1] + b',"newer":1}')
    with capture_logs() as lines:
        await driver.look(paid("imp_1"))
    assert [claim.lane for claim in taker.taken()] == lanes[1:]
    assert [(line["event"], line["lane"]) for line in lines] == [("claim_crashed", str(lanes[0]))]
    await driver.redis.hset(key("endpoint", "ep_1"), "row", row)
