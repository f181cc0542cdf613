"""Late is what a worker could do now and does not; what an endpoint or i'mport holds back has figures of its own."""

from __future__ import annotations

import pytest

from ledger import Ledger
from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from ledger.stats import stats
from schemas.endpoints.delivery import Retry
from schemas.endpoints.health import EndpointHealth
from tests.support.ledger_driver import REFRESH, Driver, paid
from tests.support.reasons import because

HOUR = 3600.0


async def test_what_no_worker_has_come_for_is_late(ledger: Ledger, driver: Driver) -> None:
    """Refreshes and deliveries that were due an hour ago and could be claimed count as an hour late."""
    await driver.record_for(await driver.subscribe(), 2)
    await driver.accept("imp_waits")
    await driver.pass_time(HOUR)
    numbers = await stats(ledger.cells)
    assert numbers.oldest_look is not None
    assert numbers.oldest_delivery is not None
    assert HOUR <= numbers.oldest_look < HOUR + 60
    assert HOUR <= numbers.oldest_delivery < HOUR + 60
    assert (numbers.looks_paused, numbers.deliveries_paused) == (0, 0)


async def test_a_pause_that_the_endpoint_asked_for_is_not_late(ledger: Ledger, driver: Driver) -> None:
    """With `Retry-After` a lane waits; what was due meanwhile is counted apart, and late only from its end on."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 3)
    await driver.settle(await _first(driver, lane), Retry(60, because("answered 503"), 2 * HOUR))
    await driver.pass_time(HOUR)
    numbers = await stats(ledger.cells)
    assert (numbers.oldest_delivery, numbers.deliveries_paused) == (None, 3)
    assert numbers.oldest_paused_delivery is not None
    assert HOUR <= numbers.oldest_paused_delivery < HOUR + 60
    await driver.pass_time(HOUR + 30)
    numbers = await stats(ledger.cells)
    assert numbers.oldest_delivery is not None
    assert numbers.oldest_delivery < 60
    assert numbers.deliveries_paused == 0


async def test_an_open_breaker_is_not_late(ledger: Ledger, driver: Driver) -> None:
    """Nor is its probe, nor what waits for it to be back: when it is, what has piled up has waited for a moment."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 3)
    open_until = await ledger.now() + 2 * HOUR
    failing = EndpointHealth(failures=5, failing_since=1.0, open_until=open_until, opens=1)
    assert await ledger.delivery_lane.note_health(lane.name, EndpointHealth(), failing)
    await driver.pass_time(HOUR)
    numbers = await stats(ledger.cells)
    assert (numbers.oldest_delivery, numbers.deliveries_paused) == (None, 3)
    await driver.pass_time(HOUR)
    probe = await driver.take_one(lane)
    assert (await stats(ledger.cells)).oldest_delivery is None
    assert await driver.settle(probe) == "was_failing"
    assert await ledger.delivery_lane.note_health(lane.name, failing, EndpointHealth())
    numbers = await stats(ledger.cells)
    assert numbers.oldest_delivery is not None
    assert numbers.oldest_delivery < 60


async def test_an_endpoint_at_its_limit_is_not_late(ledger: Ledger, driver: Driver) -> None:
    """One that takes no more at once, or no more a second, holds its own deliveries back."""
    slow = await driver.subscribe("ep_slow", max_in_flight=1)
    rated = await driver.subscribe("ep_rated", rate_limit=0.001)
    await driver.record_for(slow, 3)
    for lane in (slow, rated):
        assert len(await driver.take(lane)) == 1
    numbers = await stats(ledger.cells)
    assert (numbers.oldest_delivery, numbers.deliveries_paused) == (None, 4)


async def test_a_closed_lane_is_not_late(ledger: Ledger, driver: Driver) -> None:
    """Deliveries of a disabled endpoint are held; once it is enabled they have waited for a moment."""
    lane = await driver.subscribe()
    await driver.record_for(lane, 3)
    await ledger.endpoints.disable(lane.name, because("by an operator"))
    await driver.pass_time(HOUR)
    numbers = await stats(ledger.cells)
    assert (numbers.oldest_delivery, numbers.held, numbers.deliveries_paused) == (None, 3, 0)
    await ledger.endpoints.enable(lane.name)
    numbers = await stats(ledger.cells)
    assert numbers.oldest_delivery is not None
    assert numbers.oldest_delivery < 60


@pytest.mark.parametrize("lane", [REFRESH, Lane("unknown", "default")])
async def test_looks_that_wait_for_iamport_are_not_late(ledger: Ledger, driver: Driver, lane: Lane) -> None:
    """While i'mport fails, refreshes count as paused; when it is back they have waited for a moment."""
    await driver.accept("imp_1")
    if lane.kind == "unknown":
        claimed = await driver.claim_one()
        await ledger.refresh_lane.postpone(claimed, "unknown", due_in=0, tries=1)
    await ledger.refresh_lane.pause(lane, 2 * HOUR, because("i'mport answers 500"))
    await driver.pass_time(HOUR)
    numbers = await stats(ledger.cells)
    assert (numbers.oldest_look, numbers.looks_paused, numbers.looks_due) == (None, 1, 1)
    assert numbers.oldest_paused_look is not None
    assert numbers.oldest_paused_look >= HOUR - 60
    await ledger.refresh_lane.resume(lane)
    await driver.pass_time(2)
    numbers = await stats(ledger.cells)
    assert numbers.oldest_look is not None
    assert numbers.oldest_look < 60


async def test_a_lane_that_never_empties_is_as_late_as_what_it_holds(ledger: Ledger, driver: Driver) -> None:
    """Where each claim leaves something that has just come, nothing is late; where it leaves a backlog, that is."""
    for number in range(4):
        await driver.accept(f"imp_{number}")
    await driver.pass_time(HOUR)
    for _ in range(3):
        (claimed,) = await driver.claim(limit=1)
        assert await driver.commit(claimed, paid(claimed.record.imp_uid)) == "ok"
        numbers = await stats(ledger.cells)
        assert numbers.oldest_look is not None
        assert numbers.oldest_look >= HOUR
    await driver.accept("imp_new")
    (claimed,) = await driver.claim(limit=1)
    assert await driver.commit(claimed, paid(claimed.record.imp_uid)) == "ok"
    numbers = await stats(ledger.cells)
    assert numbers.oldest_look is not None
    assert numbers.oldest_look < 60


async def test_what_a_dead_worker_held_is_late_when_its_lease_is_over(ledger: Ledger, driver: Driver) -> None:
    """While it is leased it is not late; after that a worker should have come."""
    await driver.accept("imp_1")
    await driver.claim_one()
    assert (await stats(ledger.cells)).oldest_look is None
    await driver.pass_time(HOUR)
    late = (await stats(ledger.cells)).oldest_look
    assert late is not None
    assert HOUR - 60 <= late < HOUR


async def _first(driver: Driver, lane: Lane) -> ClaimedDelivery:
    (first,) = await driver.take(lane, limit=1)
    return first
