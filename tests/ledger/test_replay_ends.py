"""How replays end: by themselves, stopped, with their endpoint; and that their counts are right."""

from __future__ import annotations

import pytest

from ledger import Ledger
from ledger.keys import Lane
from schemas.endpoints.delivery import Disable, Retry
from schemas.endpoints.replay_selection import Selection
from schemas.errors import NotFound
from tests.support.ledger_driver import Driver
from tests.support.ledger_replaying import FAST, ReplayDriver, counts, deliver_all, drop_job, events, state, walk
from tests.support.reasons import because


async def test_a_failing_delivery_ends_as_failed(driver: Driver, replays: ReplayDriver) -> None:
    """A replay begins the schedule anew; what dies again is counted as failed, and the replay is done."""
    lane = await driver.subscribe("ep_1")
    await events(driver, 2)
    for one in await driver.take(lane):
        await driver.bury(one)
    replay = await replays.create(Selection(only="dead"), FAST)
    await walk(replays, replay)

    first, second = await driver.take(Lane("replay", "ep_1"))
    assert (first.attempts, second.attempts) == (0, 0)
    await driver.settle(first)
    await driver.bury(second)

    assert await counts(driver, replay) == ("done", 2, 2, 1, 1)
    assert len((await driver.ledger.deliveries.get(second.id)).attempts) == 2
    await drop_job(driver.ledger)


async def test_stopping_takes_out_what_was_not_sent(driver: Driver, replays: ReplayDriver) -> None:
    """What was there before is as it was, what the replay made is discarded, what is being sent may end."""
    lane = await driver.subscribe("ep_1")
    await events(driver, 3)
    delivered, dead, flying = await driver.take(lane)
    await driver.settle(delivered)
    await driver.bury(dead)
    await driver.bury(flying)
    await driver.subscribe("ep_2")
    replay = await replays.create(Selection(only="all"), FAST)
    await walk(replays, replay)
    in_flight = {one.id: one for one in await driver.take(Lane("replay", "ep_1"))}
    for one in (delivered, dead):
        await driver.settle(in_flight[one.id], Retry(60, because("answered 500")))

    stopped = await driver.ledger.replays.stop(replay.id)

    assert (stopped.state, stopped.queued, stopped.delivered, stopped.failed) == ("stopped", 1, 0, 0)
    assert [await state(driver, one.id) for one in (delivered, dead)] == ["delivered", "dead"]
    new = (await driver.ledger.deliveries.get(f"{dead.event}.ep_2")).state
    assert new == "discarded"
    await driver.settle(in_flight[flying.id], Retry(60, because("answered 500")))
    assert await state(driver, flying.id) == "dead"
    assert await counts(driver, replay) == ("stopped", 6, 1, 0, 1)
    assert (await driver.ledger.replays.stop(replay.id)).state == "stopped"
    assert await replays.count(Selection(endpoint="ep_2")) == 3, "undelivered includes what was taken out"
    await drop_job(driver.ledger)


async def test_deleting_the_endpoint_ends_its_replays(driver: Driver, replays: ReplayDriver) -> None:
    """Deliveries that a deleted endpoint still had to get count as failed, so that the replay has an end."""
    await events(driver, 2)
    await driver.subscribe("ep_1")
    replay = await replays.create(Selection(), FAST)
    await walk(replays, replay)

    await driver.ledger.endpoints.delete("ep_1")

    assert await counts(driver, replay) == ("done", 2, 2, 0, 2)
    await drop_job(driver.ledger)


async def test_a_disabled_endpoint_gets_it_when_it_is_enabled(driver: Driver, replays: ReplayDriver) -> None:
    """A replay for a disabled endpoint is held like everything else and goes on when it is enabled."""
    await events(driver, 2)
    await driver.subscribe("ep_1")
    await driver.ledger.endpoints.disable("ep_1", because("by hand"))
    replay = await replays.create(Selection(), FAST)
    await walk(replays, replay)
    assert await driver.take(Lane("replay", "ep_1")) == ()
    assert [row.state for row in await driver.ledger.deliveries.some(list(await driver.ids("dlv")))] == ["held"] * 2

    await driver.ledger.endpoints.enable("ep_1")

    first, second = await driver.take(Lane("replay", "ep_1"))
    await driver.settle(first)
    await driver.settle(second, Disable(because("answered 410 (gone)")))
    assert await counts(driver, replay) == ("running", 2, 2, 1, 0)
    assert await state(driver, second.id) == "held"
    await drop_job(driver.ledger)


async def test_old_replays_leave_once_they_have_ended(driver: Driver, replays: ReplayDriver) -> None:
    """Retention takes replays that are done or stopped, never one that still has something to do."""
    await events(driver, 1)
    await driver.subscribe("ep_1")
    create, tidy = replays.create, driver.ledger.retention.tidy
    running, stopped = await create(Selection(), FAST), await create(Selection(types=("payment.failed",)), FAST)
    await walk(replays, running)
    await driver.ledger.replays.stop(stopped.id)
    later = await driver.ledger.now() + 1

    await tidy(older_than=later)

    assert await driver.ids("replay") == {running.id}
    await deliver_all(driver, Lane("replay", "ep_1"))
    await tidy(older_than=later)
    assert await driver.ids("replay") == set()
    await drop_job(driver.ledger)


async def test_unknown_replays(ledger: Ledger, replays: ReplayDriver) -> None:
    """A replay that is not there cannot be shown or stopped, and a step of it is the last."""
    with pytest.raises(NotFound):
        await ledger.replays.get("rpl_none")
    with pytest.raises(NotFound):
        await ledger.replays.stop("rpl_none")
    assert await replays.step("rpl_none", 0) is None
