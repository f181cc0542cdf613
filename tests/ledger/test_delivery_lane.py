"""Deliveries: claimed, settled, tried again; in order for one payment at one endpoint."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ledger import Ledger
from schemas import wire
from schemas.endpoints.delivery import Hold
from tests.support.ledger_driver import Driver, paid
from tests.support.ledger_redis import key, swept
from tests.support.reasons import because, said


async def test_each_endpoint_gets_what_it_subscribed_to(driver: Driver) -> None:
    """Events go into the lane of every endpoint that wants the type, with the body that was recorded."""
    all_of_it, some = await driver.subscribe("ep_all"), await driver.subscribe("ep_some", types=("payment.cancelled",))
    await driver.subscribe("ep_other", types=("payment.failed",))
    await driver.look(paid("imp_1", 1000))
    (first,) = await driver.take(all_of_it)
    (only,) = await driver.take(some)
    assert (first.type, only.type, only.imp_uid) == ("payment.paid", "payment.cancelled", "imp_1")
    assert first.body == (await driver.ledger.events.get(first.event)).body
    assert wire.loads(first.body)["data"]["payment"] == wire.loads(paid("imp_1", 1000).raw)
    assert (first.attempts, first.replay, first.id) == (0, False, f"{first.event}.ep_all")
    assert set(await driver.lanes()) == {"deliver/ep_all", "deliver/ep_some"}


async def test_a_settled_delivery_is_over(driver: Driver) -> None:
    """Delivered, it is in no lane any more; settling it again changes nothing."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    answers = [await driver.settle(delivery), await driver.settle(delivery), await driver.bury(delivery)]
    assert answers == ["ok", "lost", "lost"]
    assert await driver.state(delivery) == "delivered"
    assert len((await driver.rows("dlv"))[delivery.id]["log"].splitlines()) == 1
    assert await driver.lanes() == {}


async def test_a_failed_one_is_due_again_when_it_says(ledger: Ledger, driver: Driver) -> None:
    """Its attempts are counted and kept; nothing is claimed before its time."""
    lane = await driver.subscribe()
    await driver.look(paid())
    for attempts in range(3):
        delivery = await driver.take_one(lane)
        assert delivery.attempts == attempts
        await driver.fail(delivery, again_in=60)
        assert await driver.take(lane) == ()
        at = (await driver.due(lane))[delivery.id] / 1000 - await ledger.now()
        assert 50 < at <= 60
        await driver.pass_time(60)
    assert len((await driver.rows("dlv"))[delivery.id]["log"].splitlines()) == 3


async def test_what_a_killed_worker_held_comes_back(ledger: Ledger, driver: Driver) -> None:
    """Its lease ends, the sweep kicks the lane, and late results of the dead worker do not count."""
    lane = await driver.subscribe()
    await driver.look(paid())
    late = await driver.take_one(lane)
    await driver.pass_time(10.1)
    await driver.forget_kicks()
    assert await swept(ledger) == [lane]
    again = await driver.take_one(lane)
    assert (again.id, again.attempts) == (late.id, 0)
    assert await driver.settle(late) == "lost"
    assert await driver.state(late) == "pending"
    assert await driver.settle(again) == "ok"


async def test_a_payments_events_go_in_order(driver: Driver) -> None:
    """At an ordered endpoint the next one goes when the one before it is delivered; other payments do not wait."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100, 200, 700))
    await driver.look(paid("imp_2"))
    seen = []
    for expected in (2, 1, 1, 1):
        taken = await driver.take(lane)
        assert len(taken) == expected
        seen += [one.type for one in taken if one.imp_uid == "imp_1"]
        await asyncio.gather(*(driver.settle(one) for one in taken))
    assert seen == ["payment.paid", *["payment.partially_cancelled"] * 2, "payment.cancelled"]
    assert [row for row in (await driver.rows("dlv")).values() if "waits_for" in row] == []


async def test_a_failing_head_holds_back_only_its_payment(driver: Driver) -> None:
    """Later events of that payment wait for it, also those recorded later; another payment's go."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100))
    await driver.fail(await driver.take_one(lane))
    await driver.look(paid("imp_1", 100, 900))
    await driver.look(paid("imp_2"))
    assert [one.imp_uid for one in await driver.take(lane)] == ["imp_2"]
    await driver.pass_time(60)
    head = [one for one in await driver.take(lane) if one.imp_uid == "imp_1"]
    assert [one.type for one in head] == ["payment.paid"]


async def test_a_dead_head_lets_the_next_one_go_and_it_says_so(driver: Driver) -> None:
    """The next one is sent although the one before it never arrived; the note stays with it."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100))
    head = await driver.take_one(lane)
    await driver.bury(head)
    following = await driver.take_one(lane)
    assert (await driver.ledger.deliveries.get(following.id)).state == "pending"
    await driver.settle(following)
    assert await driver.state(head) == "dead"
    sent = await driver.ledger.deliveries.get(following.id)
    assert (sent.state, said(sent.reason)) == ("delivered", f"sent although {head.id} before it is dead")


async def test_without_order_everything_goes_at_once(driver: Driver) -> None:
    """An endpoint that is not ordered gets all of a payment's events together."""
    lane = await driver.subscribe(ordered=False)
    await driver.look(paid("imp_1", 100, 900))
    assert len(await driver.take(lane)) == 3


async def test_an_endpoint_that_is_ordered_again_waits_for_what_was_sent_without_order(
    ledger: Ledger, driver: Driver
) -> None:
    """What was the latest when it was ordered before is not taken for the latest now."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100))
    for _ in range(2):
        await driver.settle(await driver.take_one(lane))
    await ledger.endpoints.update("ep_1", lambda one: replace(one, ordered=False))
    await driver.look(paid("imp_1", 100, 200))
    await driver.fail(await driver.take_one(lane), again_in=5)
    await ledger.endpoints.update("ep_1", lambda one: replace(one, ordered=True))
    await driver.look(paid("imp_1", 100, 200, 300))
    assert await driver.take(lane) == ()
    await driver.pass_time(6)
    for _ in range(2):
        await driver.settle(await driver.take_one(lane))


async def test_a_held_one_is_no_attempt(driver: Driver) -> None:
    """What cannot be sent as things stand waits a while, with its reason."""
    lane = await driver.subscribe()
    await driver.look(paid())
    delivery = await driver.take_one(lane)
    assert await driver.ledger.delivery_lane.settle(delivery.lease, Hold(because("no key opens its secret"))) == "ok"
    assert await driver.take(lane) == ()
    assert said((await driver.ledger.deliveries.get(delivery.id)).reason) == "no key opens its secret"
    await driver.pass_time(61)
    assert (await driver.take_one(lane)).attempts == 0


async def test_a_delivery_without_its_event_blocks_nobody(driver: Driver) -> None:
    """A dangling member of a lane, whatever left it there, is dropped; the others go."""
    lane = await driver.subscribe()
    await driver.look(paid())
    await driver.redis.zadd(key("due", str(lane)), {"evt_gone.ep_1": 1})
    assert len(await driver.take(lane)) == 1
    assert await driver.due(lane) == {}


async def test_a_delivery_whose_event_is_gone_is_dead_and_the_next_one_goes(driver: Driver) -> None:
    """It says why, and its payment's later events need not wait for it."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1", 100))
    (head,) = await driver.due(lane)
    event = head.partition(".")[0]
    await driver.redis.hdel(key("pay", "default/imp_1"), f"e:{event}")
    assert await driver.take(lane) == ()
    following = await driver.take_one(lane)
    sent = await driver.ledger.deliveries.get(head)
    assert (sent.state, said(sent.reason)) == ("dead", "its event was removed before it was sent")
    assert following.type == "payment.partially_cancelled"
    await driver.redis.hdel(key("events"), event)


async def test_what_was_asked_for_goes_though_one_claim_has_no_room(driver: Driver) -> None:
    """Large callbacks come in several claims; none of those that an operator asked for is forgotten in between."""
    lane = await driver.subscribe(max_in_flight=1)
    await driver.record_for(lane, 3)
    due = list(await driver.due(lane))
    for delivery in due:
        event = delivery.partition(".")[0]
        await driver.change(f"e:{event}", body=b"x" * 5_000_000)
        name = (await driver.redis.hget(key("events"), event)).decode().partition(" ")[2]
        await driver.redis.hset(key("events"), event, f" {name}")
        await driver.redis.hdel(key("pay", name), "o:1")
        await driver.ledger.deliveries.retry(delivery)
    taken = [one.id for _ in due for one in await driver.take(lane)]
    assert sorted(taken) == sorted(due)


async def test_a_hundred_thousand_for_later_do_not_slow_one_for_now(driver: Driver) -> None:
    """Deliveries due in hours stay in Redis, cause no kick, and are not claimed."""
    lane = await driver.subscribe()
    await driver.look(paid("imp_1"))
    await driver.take_one(lane)
    later = 1000 * (await driver.ledger.now() + 3600)
    for batch in range(100):
        rows = {f"evt_{batch}_{n}.ep_1": round(later) + n for n in range(1000)}
        await driver.redis.zadd(key("due", str(lane)), rows)
    await driver.forget_kicks()
    await driver.look(paid("imp_2"))
    assert await driver.kicked(lane)
    assert [one.imp_uid for one in await driver.take(lane)] == ["imp_2"]
    await driver.forget_kicks()
    assert await swept(driver.ledger) == []
    await driver.redis.zremrangebyscore(key("due", str(lane)), round(later), "+inf")


@pytest.mark.parametrize("size", [1, 200])
async def test_settles_together_are_judged_one_by_one(driver: Driver, size: int) -> None:
    """Of deliveries that share a round trip, a lost one is lost alone."""
    lane = await driver.subscribe(max_in_flight=1000)
    await driver.record_for(lane, size)
    taken = [*await driver.take(lane, 100), *await driver.take(lane, 100)]
    assert len(taken) == size
    await driver.lose(taken[0].lease)
    await driver.take(lane)
    answers = await asyncio.gather(*(driver.settle(one) for one in taken))
    assert answers == ["lost", *["ok"] * (size - 1)]
