"""A pause of an endpoint ends with its cause, and what an operator asks for goes whatever the lane waits for."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger import Ledger
from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from schemas.endpoints.delivery import Dead, Disable, Retry
from schemas.endpoints.endpoint import Endpoint
from schemas.endpoints.health import FAILING, EndpointHealth
from tests.support.ledger_driver import TEST_BODY, Driver, paid
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import key, swept
from tests.support.reasons import because, said

LANE = Lane("deliver", "ep_1")
REPLAY = Lane("replay", "ep_1")


async def break_(driver: Driver, *, open_for: float = 600, stage: int = 0) -> EndpointHealth:
    """Open the endpoint's breaker."""
    known, now = (await driver.ledger.delivery_lane.health("ep_1"))[:2]
    health = EndpointHealth(failures=5, failing_since=1.0, open_until=now + open_for, opens=1, stage=stage)
    assert await driver.ledger.delivery_lane.note_health("ep_1", known, health)
    return health


async def pause(driver: Driver, seconds: float = 600) -> ClaimedDelivery:
    """Have the endpoint answer with `Retry-After`; what it was sent."""
    await driver.look(paid("imp_asking"))
    one = await driver.take_one(LANE)
    await driver.settle(one, Retry(5, because("the last attempt answered 429"), lane_wait=seconds))
    return one


async def send_test(driver: Driver) -> str:
    """Send a test event; the delivery's id."""
    event = f"evt_{secrets.token_hex(8)}"
    await driver.ledger.deliveries.send_test("ep_1", event, TEST_BODY)
    return f"{event}.ep_1"


def elsewhere(endpoint: Endpoint) -> Endpoint:
    """The endpoint under another URL."""
    return replace(endpoint, url="https://moved.example/")


Paused = Callable[[Driver], Any]


async def by_rate(driver: Driver) -> None:
    """A rate that is used up."""
    await driver.ledger.endpoints.update("ep_1", lambda endpoint: replace(endpoint, rate_limit=0.01))
    await driver.look(paid("imp_asking"))
    await driver.take_one(LANE)


async def by_room(driver: Driver) -> None:
    """No room: all that the endpoint takes at once is under way."""
    await driver.ledger.endpoints.update("ep_1", lambda endpoint: replace(endpoint, max_in_flight=1))
    await driver.look(paid("imp_asking"))
    await driver.take_one(LANE)


async def by_probe(driver: Driver) -> None:
    """A probe that is out."""
    await break_(driver, open_for=-1)
    await driver.look(paid("imp_asking"))
    await driver.take_one(LANE)


@pytest.mark.parametrize("paused", [pause, break_, by_rate, by_room, by_probe])
async def test_what_is_asked_for_goes_at_once(driver: Driver, ledger: Ledger, paused: Paused) -> None:
    """A retry and a test are sent, and nothing else; their lane is kicked."""
    await driver.subscribe()
    await driver.record_for(LANE, 2)
    first, second = await driver.take(LANE)
    await driver.bury(first)
    await driver.settle(second)
    await paused(driver)
    await driver.look(paid("imp_late"))
    await driver.forget_kicks()
    assert await driver.take(LANE) == ()
    await driver.forget_kicks()
    await ledger.deliveries.retry(first.id)
    assert await driver.kicked(LANE)
    shown = await ledger.deliveries.get(first.id)
    assert said(shown.reason) == "asked for by an operator"
    assert shown.next_attempt_at == pytest.approx(await ledger.now(), abs=30)
    assert [one.id for one in await driver.take(LANE)] == [first.id]
    tested = await send_test(driver)
    assert [one.id for one in await driver.take(LANE)] == [tested]
    await driver.forget_kicks()
    assert await driver.take(LANE) == ()
    assert not await driver.redis.exists(key("requested", str(LANE)))
    assert await problems(ledger) == []


async def test_a_lost_kick_of_what_is_asked_for_is_found_by_the_sweep(driver: Driver, ledger: Ledger) -> None:
    """The lane wants a worker now, though it is paused."""
    await driver.subscribe()
    await pause(driver)
    await send_test(driver)
    await driver.forget_kicks()
    assert await problems(ledger) == []
    assert await swept(ledger) == [LANE]


async def test_a_test_whose_worker_was_killed_is_not_sent_later(driver: Driver, ledger: Ledger) -> None:
    """Also at a disabled endpoint, whose lane is not claimed."""
    await driver.subscribe()
    await ledger.endpoints.disable("ep_1", because("disabled by an operator"))
    tested = await send_test(driver)
    lost = await driver.take_one(LANE)
    await ledger.deliveries.end_test(tested)
    assert await driver.state(lost) == "pending"
    await driver.lose(lost.lease)
    await ledger.deliveries.end_test(tested)
    assert await driver.state(lost) == "dead"
    await ledger.endpoints.enable("ep_1")
    assert await driver.take(LANE) == ()
    assert await problems(ledger) == []


async def test_a_success_that_was_asked_for_ends_the_pause(driver: Driver, ledger: Ledger) -> None:
    """What the endpoint asked for with `Retry-After` is over when it takes a test; so is the breaker."""
    await driver.subscribe()
    waiting = await pause(driver)
    health = await break_(driver)
    await send_test(driver)
    tested = await driver.take_one(LANE)
    assert await driver.settle(tested) == "was_failing"
    assert await ledger.delivery_lane.note_health("ep_1", health, EndpointHealth())
    await driver.pass_time(5)
    assert [one.id for one in await driver.take(LANE)] == [waiting.id]
    assert await problems(ledger) == []


async def test_a_failure_that_was_asked_for_ends_nothing(driver: Driver) -> None:
    """The others wait on, and the delivery waits by its schedule."""
    await driver.subscribe()
    await pause(driver)
    await send_test(driver)
    await driver.fail(await driver.take_one(LANE), 5)
    await driver.pass_time(6)
    assert await driver.take(LANE) == ()
    await driver.pass_time(600)
    assert len(await driver.take(LANE)) == 2


async def test_a_success_nobody_asked_for_leaves_the_pause(driver: Driver) -> None:
    """What was under way when the endpoint asked for a pause says nothing about the pause."""
    await driver.subscribe()
    await driver.record_for(LANE, 1)
    one = await driver.take_one(LANE)
    await pause(driver)
    await driver.settle(one)
    await driver.pass_time(6)
    assert await driver.take(LANE) == ()


async def test_a_disabled_endpoint_can_be_tested(driver: Driver, ledger: Ledger) -> None:
    """The test goes, nothing else does, and the endpoint stays disabled."""
    await driver.subscribe()
    await driver.record_for(LANE, 2)
    await ledger.endpoints.disable("ep_1", because("disabled by an operator"))
    tested = await send_test(driver)
    assert await swept(ledger) in ([], [LANE])
    one = await driver.take_one(LANE)
    assert one.id == tested
    await driver.settle(one)
    assert await driver.take(LANE) == ()
    assert (await ledger.endpoints.get("ep_1")).state == "disabled"
    assert await problems(ledger) == []
    await ledger.endpoints.enable("ep_1")
    assert len(await driver.take(LANE)) == 2


async def test_what_is_asked_for_is_forgotten_with_its_endpoint(driver: Driver, ledger: Ledger) -> None:
    """Disabling holds a retry that was asked for, deleting drops it, giving a test up takes it out."""
    await driver.subscribe()
    await driver.record_for(LANE, 1)
    one = await driver.take_one(LANE)
    await driver.bury(one)
    await ledger.deliveries.retry(one.id)
    await ledger.deliveries.end_test(await send_test(driver))
    await ledger.endpoints.disable("ep_1", because("disabled by an operator"))
    assert await driver.take(LANE) == ()
    assert (await ledger.deliveries.get(one.id)).state == "held"
    await ledger.endpoints.enable("ep_1")
    assert [again.id for again in await driver.take(LANE)] == [one.id]
    await send_test(driver)
    await ledger.endpoints.delete("ep_1")
    assert await driver.take(LANE) == ()
    assert not await driver.redis.exists(key("requested", str(LANE)))
    assert await problems(ledger) == []


@pytest.mark.parametrize("paused", [pause, break_, by_probe])
@pytest.mark.parametrize("how", ["url", "headers", "enable"])
async def test_a_new_start_ends_every_wait(driver: Driver, ledger: Ledger, how: str, paused: Paused) -> None:
    """Another URL, other headers or `enable`: all that waits is due, also what waits by its schedule."""
    await driver.subscribe()
    await driver.record_for(LANE, 3)
    for one in await driver.take(LANE):
        await driver.fail(one, 3600)
    await paused(driver)
    if how == "enable":
        await ledger.endpoints.enable("ep_1")
    elif how == "url":
        await ledger.endpoints.update("ep_1", elsewhere)
    else:
        await ledger.endpoints.update("ep_1", lambda endpoint: replace(endpoint, headers="sealed"))
    await driver.forget_kicks()
    assert await problems(ledger) == []
    assert await swept(ledger) == [LANE]
    assert len(await driver.take(LANE)) >= 3
    assert (await ledger.endpoints.get("ep_1")).breaker == "closed"


async def test_other_changes_are_no_new_start(driver: Driver, ledger: Ledger) -> None:
    """The same URL again, a description: whatever waits has a cause that is still there."""
    await driver.subscribe()
    await pause(driver)
    await ledger.endpoints.update("ep_1", lambda endpoint: replace(endpoint, description="shop"))
    await driver.pass_time(6)
    assert await driver.take(LANE) == ()


async def test_another_rate_or_room_counts_at_once(driver: Driver, ledger: Ledger) -> None:
    """A lane that waits for a slow rate, or for room, goes on when there is more of it."""
    await driver.subscribe(rate_limit=0.01, max_in_flight=1, places=8)
    await driver.record_for(LANE, 3)
    await driver.take_one(LANE)
    assert await driver.take(LANE) == ()
    await ledger.endpoints.update("ep_1", lambda endpoint: replace(endpoint, rate_limit=None, max_in_flight=8))
    await driver.forget_kicks()
    assert await swept(ledger) == [LANE]
    assert len(await driver.take(LANE)) == 2
    assert await problems(ledger) == []


async def test_a_new_start_keeps_what_operators_heard(driver: Driver, ledger: Ledger) -> None:
    """A success at the new URL is announced if failures at the old one were."""
    await driver.subscribe()
    await break_(driver, stage=FAILING)
    await ledger.endpoints.update("ep_1", elsewhere)
    assert (await ledger.delivery_lane.health("ep_1"))[0] == EndpointHealth(stage=FAILING)


async def test_answers_of_the_old_url_say_nothing_about_the_new_one(driver: Driver, ledger: Ledger) -> None:
    """What was under way when the URL changed neither pauses nor disables, and goes again at once."""
    await driver.subscribe()
    await driver.record_for(LANE, 3)
    first, second, third = await driver.take(LANE)
    await ledger.endpoints.update("ep_1", elsewhere)
    await driver.settle(first, Retry(3600, because("the last attempt answered 429"), lane_wait=3600))
    await driver.settle(second, Disable(because("answered 410 (gone)")))
    await driver.settle(third, Dead(because("dead after 1 attempt"), lane_wait=3600))
    assert (await ledger.endpoints.get("ep_1")).state == "enabled"
    assert {one.id for one in await driver.take(LANE)} == {first.id, second.id}
    assert first.lease.token < (await ledger.delivery_lane.health("ep_1"))[2]


async def test_gone_moved_and_enabled(driver: Driver, ledger: Ledger) -> None:
    """410, then a new URL, then `enable`: held until the last, and then all of it goes."""
    await driver.subscribe()
    await driver.record_for(LANE, 3)
    for one in await driver.take(LANE):
        await driver.settle(one, Disable(because("answered 410 (gone)")))
    await ledger.endpoints.update("ep_1", elsewhere)
    assert (await ledger.endpoints.get("ep_1")).state == "disabled"
    assert await driver.take(LANE) == ()
    await ledger.endpoints.enable("ep_1")
    assert len(await driver.take(LANE)) == 3
    assert await problems(ledger) == []


async def test_a_long_wait_is_ended_in_steps(driver: Driver, ledger: Ledger) -> None:
    """However many deliveries wait, no step moves more than some of them, and all of them are moved."""
    await driver.subscribe()
    later = round((await ledger.now() + 3600) * 1000)
    await driver.redis.zadd(key("due", str(LANE)), {f"evt_{n}.ep_1": later for n in range(2500)})
    assert await ledger.cells[0].run_and_kick("wake_deliveries", "ep_1", 1000) == 1
    assert sum(at < later for at in (await driver.due(LANE)).values()) == 1000
    await ledger.endpoints.update("ep_1", elsewhere)
    assert max((await driver.due(LANE)).values()) < later
