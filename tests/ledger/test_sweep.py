"""The sweep rests while no lane can be due, and is woken for what is due sooner than it means to look."""

from __future__ import annotations

import asyncio

import pytest

from ledger import Ledger
from ledger.constants import SWEEP_REST
from ledger.sweep import Sweep
from tests.support.ledger_driver import REFRESH, Driver
from tests.support.ledger_redis import key, swept
from tests.support.waiting import PATIENCE

SOON = PATIENCE / 2
"""Seconds in which it must have been woken: no cell rests for longer than a minute."""


@pytest.fixture
def sweep(ledger: Ledger) -> Sweep:
    """A sweep whose rest is longer than anybody waits for its end."""
    return Sweep(ledger.cells, rest=10 * PATIENCE)


async def _rests(sweep: Sweep, seconds: float) -> bool:
    """Whether its rest lasts for longer than so many seconds from now."""
    rest = asyncio.create_task(sweep.rest())
    done, _ = await asyncio.wait([rest], timeout=seconds)
    rest.cancel()
    return not done


async def test_it_rests_while_nothing_is_due(ledger: Ledger, driver: Driver, sweep: Sweep) -> None:
    """What is due much later wakes nobody."""
    assert await swept(ledger, sweep=sweep.kick) == []
    await driver.plan("imp_1", 60)
    assert not await driver.redis.exists(key("wake"))
    assert await _rests(sweep, 1.2)


async def test_it_looks_often_while_a_lane_waits_for_its_worker(driver: Driver, sweep: Sweep) -> None:
    """Its kick may have been lost."""
    await driver.accept()
    await sweep.kick("me")
    assert not await _rests(sweep, SOON)


async def test_it_rests_until_the_next_lane_is_due(ledger: Ledger, driver: Driver, sweep: Sweep) -> None:
    """Then that lane is kicked at once."""
    await driver.plan("imp_1", 4)
    assert await swept(ledger, sweep=sweep.kick) == []
    assert await _rests(sweep, 0.5)
    assert not await _rests(sweep, SOON)
    assert await swept(ledger, sweep=sweep.kick) == [REFRESH]


async def test_it_is_woken_for_what_is_due_sooner(ledger: Ledger, driver: Driver, sweep: Sweep) -> None:
    """Whatever makes a lane due says when, in the middle of a rest or before it."""
    assert await swept(ledger, sweep=sweep.kick) == []
    resting = asyncio.create_task(sweep.rest())
    await asyncio.sleep(0.2)
    await driver.plan("imp_1", 0.5)
    await asyncio.wait_for(resting, SOON)
    assert await swept(ledger, sweep=sweep.kick) == [REFRESH]


async def test_one_wake_up_is_enough_for_all_that_is_due_later(ledger: Ledger, driver: Driver) -> None:
    """The soonest counts; work that is due at once is kicked by whoever made it due."""
    await ledger.sweep("me")
    for n, due_in in enumerate((1.0, 2.0, 0.5, 0.8)):
        await driver.plan(f"imp_{n}", due_in)
    await driver.accept("imp_now")
    assert (await driver.redis.xinfo_stream(key("wake")))["entries-added"] == 2


@pytest.mark.parametrize("lost", ["wake", "sweep_at"])
async def test_a_lost_wake_up_costs_its_rest(ledger: Ledger, driver: Driver, lost: str) -> None:
    """Three seconds at most."""
    assert SWEEP_REST <= 3
    await ledger.sweep("me")
    await driver.redis.delete(key(lost))
    await driver.plan("imp_1", 0.3)
    await driver.redis.delete(key(lost))
    await asyncio.wait_for(ledger.rest(), PATIENCE)
    assert await swept(ledger) == [REFRESH]
