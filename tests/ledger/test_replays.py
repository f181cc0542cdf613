"""Replays: what is sent again, how fast, and that nothing is queued twice."""

from __future__ import annotations

import asyncio

import pytest

from history.write import Move
from ledger.keys import Lane
from schemas.endpoints.replay_selection import Selection
from schemas.outbox import entries
from tests.support.ledger_driver import Driver, paid
from tests.support.ledger_replaying import FAST, ReplayDriver, counts, deliver_all, drop_job, events, walk
from tests.support.outbox_entries import packed


async def test_an_endpoint_made_later_gets_what_it_never_got(driver: Driver, replays: ReplayDriver) -> None:
    """`undelivered` finds events from before the endpoint was there, marks their attempts, and ends with them."""
    await events(driver, 30)
    await driver.subscribe("ep_1")
    replay = await replays.create(Selection(endpoint="ep_1", merchant="default"), FAST)
    assert await counts(driver, replay) == ("running", 30, 0, 0, 0)

    await walk(replays, replay)

    assert await counts(driver, replay) == ("running", 30, 30, 0, 0)
    taken = await driver.take(Lane("replay", "ep_1"))
    assert len(taken) == 7, "one place is left for what happens now"
    assert {one.replay for one in taken} == {True}
    for one in taken:
        await driver.settle(one)
    assert await deliver_all(driver, Lane("replay", "ep_1")) == 23
    assert await counts(driver, replay) == ("done", 30, 30, 30, 0)
    assert await replays.count(Selection()) == 0
    await drop_job(driver.ledger)


async def test_what_is_pending_is_never_doubled(driver: Driver, replays: ReplayDriver) -> None:
    """A delivery that is still on its way is not part of any replay, whatever it asks for."""
    lane = await driver.subscribe("ep_1")
    await events(driver, 3)
    first, second, third = await driver.take(lane)
    await driver.settle(first)
    await driver.bury(second)
    await driver.fail(third)
    count = replays.count

    assert [await count(Selection(only=only)) for only in ("undelivered", "dead", "all")] == [1, 1, 2]

    replay = await replays.create(Selection(only="all"), FAST)
    await walk(replays, replay)
    assert await counts(driver, replay) == ("running", 2, 2, 0, 0)
    assert set(await driver.due(Lane("replay", "ep_1"))) == {first.id, second.id}
    assert await count(Selection(only="all")) == 0
    await drop_job(driver.ledger)


async def test_the_window_and_the_types_choose(driver: Driver, replays: ReplayDriver) -> None:
    """The window is [since, until) on the time of recording; types are those asked for that are subscribed to."""
    await driver.look(paid("imp_1"))
    await asyncio.sleep(0.005)
    await driver.look(paid("imp_2", 400))
    await driver.subscribe("ep_1")
    (second, *_), (first,) = [await driver.ledger.events.of_payment("default", name) for name in ("imp_2", "imp_1")]
    edge = second.recorded_at
    count = replays.count

    assert await count(Selection(until=edge)) == 1
    assert await count(Selection(since=edge)) == 2
    assert await count(Selection(since=edge, types=("payment.partially_cancelled",))) == 1
    assert await count(Selection(types=("payment.paid",))) == 2
    assert await count(Selection(types=("endpoint.failing",))) == 0
    assert await count(Selection(merchant="other")) == 0
    assert await count(Selection(since=first.recorded_at, until=edge)) == 1


async def test_every_endpoint_that_wants_it(driver: Driver, replays: ReplayDriver) -> None:
    """Without an endpoint a replay is for all of the merchant's that subscribe and were not deleted."""
    await events(driver, 2)
    await driver.subscribe("ep_1")
    await driver.subscribe("ep_2", types=("payment.failed",))
    await driver.subscribe("ep_3", types=("*",))
    await driver.subscribe("ep_4")
    await driver.ledger.endpoints.delete("ep_4")

    replay = await replays.create(Selection(), FAST)
    await walk(replays, replay)

    assert len(await driver.due(Lane("replay", "ep_1"))) == len(await driver.due(Lane("replay", "ep_3"))) == 2
    assert await counts(driver, replay) == ("running", 4, 4, 0, 0)
    await drop_job(driver.ledger)


async def test_silent_events_only_on_request(driver: Driver, replays: ReplayDriver) -> None:
    """What was recorded without delivery is sent only where it is asked for."""
    await driver.mark_silently()
    claimed = await driver.claim_one()
    await driver.commit(claimed, paid("imp_1"))
    await driver.subscribe("ep_1")

    assert await replays.count(Selection()) == 0
    assert await replays.count(Selection(include_silent=True)) == 1


async def test_a_step_repeated_queues_nothing_twice(driver: Driver, replays: ReplayDriver) -> None:
    """A step that is done again, by a worker that knows nothing of the first time, goes on where that one ended."""
    await events(driver, 40)
    await driver.subscribe("ep_1")
    replay = await replays.create(Selection(), 20)
    now = await driver.ledger.now()

    await asyncio.gather(*(replays.step(replay.id, now) for _ in range(3)))
    queued = (await driver.ledger.replays.get(replay.id)).queued
    assert 10 <= queued <= 33

    await walk(replays, replay)
    assert await counts(driver, replay) == ("running", 40, 40, 0, 0)
    assert len(await driver.due(Lane("replay", "ep_1"))) == 40
    await drop_job(driver.ledger)


async def test_the_rate_shapes_the_steps(driver: Driver, replays: ReplayDriver) -> None:
    """At 20 a second half a second's worth is queued at once, and the next step comes when there is room for more."""
    await events(driver, 40)
    await driver.subscribe("ep_1")
    replay = await replays.create(Selection(), 20)
    now = await driver.ledger.now()

    pause = await replays.step(replay.id, now)

    assert pause == pytest.approx(0.5, abs=0.3)
    assert 10 <= (await driver.ledger.replays.get(replay.id)).queued <= 14
    again = await replays.step(replay.id, await driver.ledger.now())
    assert again is not None
    assert again > 0
    assert (await driver.ledger.replays.get(replay.id)).queued <= 16
    await drop_job(driver.ledger)


async def test_more_events_than_a_step_takes(driver: Driver, replays: ReplayDriver) -> None:
    """Thousands of events in few milliseconds are all walked, each once, whatever a step's bounds are."""
    recorded = []
    for number in range(2300):
        event, at = f"evt_{number:05}", 1_900_000_000_000 // 2 + number // 700
        await driver.put(
            f"default/imp_{number}", f"e:{event}", type="payment.paid", sequence="1", silent="0", recorded_at=str(at),
            body="{}",
        )  # fmt: skip
        recorded.append(entries.Event(event, "default", f"imp_{number}", "payment.paid", 1, at, body=b"{}"))
    assert await replays.history.record_all([Move("other", "0-0", "1-0")], packed(recorded))
    await driver.subscribe("ep_1", max_in_flight=1000)
    assert await replays.count(Selection()) == 2300

    replay = await replays.create(Selection(endpoint="ep_1", merchant="default"), 300)
    await walk(replays, replay)

    assert await counts(driver, replay) == ("running", 2300, 2300, 0, 0)
    assert await deliver_all(driver, Lane("replay", "ep_1")) == 2300
    assert await counts(driver, replay) == ("done", 2300, 2300, 2300, 0)
    await drop_job(driver.ledger)


async def test_test_payments_are_not_sent_again_to_who_does_not_include_them(
    driver: Driver, replays: ReplayDriver
) -> None:
    """Events of test channels from when the merchant included them are not replayed while it does not."""
    merchants = driver.ledger.merchants
    await merchants.put("default", imp_key="k", imp_secret="s", include_sandbox=True)
    await driver.look(paid("imp_live", custom_data='"sandbox":true,"detail":'))
    await driver.look(paid("imp_test", sandbox=True))
    await driver.subscribe("ep_1")
    assert await replays.count(Selection()) == 2

    await merchants.put("default", imp_key="k", imp_secret="s")

    assert await replays.count(Selection()) == 1
    replay = await replays.create(Selection(endpoint="ep_1", only="all"), FAST)
    await walk(replays, replay)
    (sent,) = await driver.take(Lane("replay", "ep_1"))
    assert b'"imp_uid":"imp_live"' in sent.body
    await driver.settle(sent)
    await drop_job(driver.ledger)
