"""What a lane of deliveries waits for: room, rate, breaker, Retry-After, and live ones before replays."""

from __future__ import annotations

import asyncio
import itertools

from ledger import Ledger
from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from schemas.endpoints.delivery import Dead, Retry
from schemas.endpoints.health import EndpointHealth
from tests.support.ledger_driver import Driver, paid
from tests.support.ledger_redis import key, swept
from tests.support.reasons import because

REPLAY = Lane("replay", "ep_1")
OPEN = EndpointHealth(failures=5, failing_since=1.0, open_until=2.0, opens=1)


async def replay(driver: Driver, delivery: ClaimedDelivery) -> None:
    """Have a settled delivery sent again from the lane of replays."""
    await driver.redis.zadd(key("due", str(REPLAY)), {delivery.id: 1})
    await driver.redis.zadd(key("lanes"), {str(REPLAY): 1})
    await driver.redis.zrem(key("dlvs", "s", "ep_1/dead"), delivery.id)
    created_at = (await driver.rows("dlv"))[delivery.id]["created_at"]
    await driver.redis.zadd(key("dlvs", "s", "ep_1/pending"), {delivery.id: int(created_at)})
    await driver.change(f"d:{delivery.id}", state="pending")


async def test_no_more_are_in_flight_than_the_endpoint_takes(driver: Driver) -> None:
    """The lane's capacity is `max_in_flight`, whoever claims; each settled one frees capacity and kicks the lane."""
    lane = await driver.subscribe(max_in_flight=3)
    await driver.record_for(lane, 5)
    claims = await asyncio.gather(*(driver.take(lane) for _ in range(4)))
    taken = list(itertools.chain.from_iterable(claims))
    assert len(taken) == 3
    await driver.forget_kicks()
    assert await driver.take(lane) == ()
    assert not await driver.kicked(lane)
    await driver.settle(taken[0])
    assert await driver.kicked(lane)
    assert len(await driver.take(lane)) == 1


async def test_an_endpoints_lanes_share_its_room(driver: Driver) -> None:
    """Live deliveries and replays together are no more than `max_in_flight`; a full one waits, it does not spin."""
    lane = await driver.subscribe(max_in_flight=3)
    await driver.record_for(lane, 3)
    for one in await driver.take(lane):
        await driver.settle(one)
        await replay(driver, one)
    replays = await driver.take(REPLAY)
    await driver.look(paid("imp_x"))
    live = await driver.take_one(lane)
    assert len(replays) == 2
    await driver.look(paid("imp_y"))
    await driver.forget_kicks()
    assert (await driver.take(lane), await driver.take(REPLAY)) == ((), ())
    assert not await driver.kicked(lane)
    assert not await driver.kicked(REPLAY)
    await driver.settle(replays[0])
    assert await driver.kicked(lane)
    assert len(await driver.take(lane)) == 1
    await driver.settle(live)
    await driver.settle(replays[1])
    assert await driver.kicked(REPLAY)


async def test_what_a_killed_replay_held_is_room_again(ledger: Ledger, driver: Driver) -> None:
    """A lease of the one lane that ended takes no place from the other."""
    lane = await driver.subscribe(max_in_flight=1)
    await driver.look(paid("imp_1"))
    one = await driver.take_one(lane)
    await driver.settle(one)
    await replay(driver, one)
    (lost,) = await driver.take(REPLAY)
    await driver.look(paid("imp_2"))
    assert await driver.take(lane) == ()
    await driver.lose(lost.lease)
    assert (await driver.take_one(lane)).imp_uid == "imp_2"


async def test_replays_yield_to_what_happens_now(driver: Driver) -> None:
    """While anything live is due, nothing is replayed; the replay lane is due again a little later."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 2)
    first, second = await driver.take(lane)
    await driver.settle(first)
    await replay(driver, first)
    await driver.lose(second.lease)
    await driver.look(paid("imp_now"))
    await driver.forget_kicks()
    assert await driver.take(REPLAY) == ()
    assert not await driver.kicked(REPLAY)
    assert len(await driver.take(lane)) == 2
    await driver.pass_time(0.2)
    assert [one.id for one in await driver.take(REPLAY)] == [first.id]


async def test_the_rate_is_shared_by_all_who_claim(ledger: Ledger, driver: Driver) -> None:
    """A token bucket holds one and a quarter of a second's worth, and fills with time, whoever asks."""
    lane = await driver.subscribe(rate_limit=5.0, max_in_flight=100)
    await driver.record_for(lane, 20)
    began, taken = await ledger.now(), 0
    for passed in range(3):
        claims = await asyncio.gather(*(driver.take(lane) for _ in range(4)))
        taken += sum(map(len, claims))
        elapsed = await ledger.now() - began + passed * 0.5
        assert 2 + 2 * passed <= taken <= 2.25 + 5 * elapsed
        await driver.pass_time(0.5)
    await driver.pass_time(60)
    assert len(await driver.take(lane)) == 2


async def test_a_used_up_rate_is_waited_for_not_asked_for(driver: Driver) -> None:
    """The lane is not kicked before there is a token."""
    lane = await driver.subscribe(rate_limit=0.01)
    await driver.record_for(lane, 2)
    assert len(await driver.take(lane)) == 1
    await driver.forget_kicks()
    await driver.look(paid("imp_late"))
    assert await driver.take(lane) == ()
    assert not await driver.kicked(lane)
    assert await swept(driver.ledger) == []


async def test_a_rate_below_one_is_kept_too(driver: Driver) -> None:
    """Once in ten seconds is once in ten seconds."""
    lane = await driver.subscribe(rate_limit=0.1)
    await driver.record_for(lane, 2)
    assert len(await driver.take(lane)) == 1
    await driver.pass_time(9)
    assert await driver.take(lane) == ()
    await driver.pass_time(1.1)
    assert len(await driver.take(lane)) == 1


async def test_an_open_breaker_sends_nothing_and_burns_no_attempt(ledger: Ledger, driver: Driver) -> None:
    """Until its time nothing is claimed or kicked; then one goes as a probe, and nothing else while it is out."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 4)
    until = await ledger.now() + 30
    health = EndpointHealth(failures=5, failing_since=1.0, open_until=until, opens=1)
    assert await ledger.delivery_lane.note_health("ep_1", EndpointHealth(), health)
    await driver.forget_kicks()
    assert await driver.take(lane) == ()
    await driver.look(paid("imp_late"))
    assert not await driver.kicked(lane)
    await driver.pass_time(30.1)
    claims = await asyncio.gather(*(driver.take(lane) for _ in range(4)))
    assert sorted(map(len, claims)) == [0, 0, 0, 1]
    assert [one.attempts for claim in claims for one in claim] == [0]


async def test_after_a_failed_probe_nobody_goes_before_the_breaker_knows(ledger: Ledger, driver: Driver) -> None:
    """Between the probe's settling and the note of it no other delivery is wasted on the endpoint."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 3)
    assert await ledger.delivery_lane.note_health("ep_1", EndpointHealth(), OPEN)
    probe = await driver.take_one(lane)
    await driver.forget_kicks()
    assert await driver.fail(probe, 5) == "was_failing"
    assert await driver.take(lane) == ()
    assert not await driver.kicked(lane)
    until = await ledger.now() + 2
    assert await ledger.delivery_lane.note_health("ep_1", OPEN, EndpointHealth(6, 1.0, until, 2))
    assert await driver.take(lane) == ()
    await driver.pass_time(2.1)
    assert len(await driver.take(lane)) == 1


async def test_a_good_probe_closes_the_breaker(ledger: Ledger, driver: Driver) -> None:
    """All that waits goes at once, up to the endpoint's room."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 9)
    assert await ledger.delivery_lane.note_health("ep_1", EndpointHealth(), OPEN)
    probe = await driver.take_one(lane)
    assert await driver.settle(probe) == "was_failing"
    await driver.forget_kicks()
    assert await ledger.delivery_lane.note_health("ep_1", OPEN, EndpointHealth())
    assert await driver.kicked(lane)
    assert len(await driver.take(lane)) == 8
    assert (await ledger.delivery_lane.health("ep_1"))[0] == EndpointHealth()


async def test_a_probe_that_dies_is_replaced(ledger: Ledger, driver: Driver) -> None:
    """The breaker does not wait for a worker that was killed."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 2)
    assert await ledger.delivery_lane.note_health("ep_1", EndpointHealth(), OPEN)
    await driver.take_one(lane)
    await driver.pass_time(10.1)
    await driver.take_one(lane)


async def test_health_is_replaced_only_by_who_knows_it(ledger: Ledger, driver: Driver) -> None:
    """Of two writers that read the same health, the second must read it again."""
    await driver.subscribe()
    assert await ledger.delivery_lane.note_health(
        "ep_1", EndpointHealth(), EndpointHealth(failures=1, failing_since=5.0)
    )
    assert not await ledger.delivery_lane.note_health(
        "ep_1", EndpointHealth(), EndpointHealth(failures=1, failing_since=6.0)
    )
    assert (await ledger.delivery_lane.health("ep_1"))[0] == EndpointHealth(failures=1, failing_since=5.0)


async def test_retry_after_stops_the_whole_lane(driver: Driver) -> None:
    """Everything for that endpoint waits, what is recorded later too; a shorter wish does not shorten it."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 3)
    first, second, _ = await driver.take(lane)
    await driver.settle(first, Retry(120, because("answered 429"), lane_wait=120))
    await driver.settle(second, Retry(5, because("answered 429"), lane_wait=5))
    await driver.look(paid("imp_late"))
    assert await driver.take(lane) == ()
    await driver.pass_time(100)
    assert await driver.take(lane) == ()
    await driver.pass_time(21)
    assert len(await driver.take(lane)) == 4


async def test_retry_after_outlives_a_success_and_the_breaker_does_not(ledger: Ledger, driver: Driver) -> None:
    """A success closes the breaker; what the endpoint asked for it still gets, and no more than that."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 4)
    first, second, *_ = await driver.take(lane)
    until = await ledger.now() + 600
    health = EndpointHealth(failures=5, failing_since=1.0, open_until=until, opens=1)
    assert await ledger.delivery_lane.note_health("ep_1", EndpointHealth(), health)
    await driver.settle(first, Dead(because("answered 503"), lane_wait=60))
    await driver.settle(second)
    assert await ledger.delivery_lane.note_health("ep_1", health, EndpointHealth())
    assert await driver.take(lane) == ()
    await driver.look(paid("imp_late"))
    await driver.pass_time(61)
    assert len(await driver.take(lane)) >= 1
