"""An endpoint's places with real servers of several strengths."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from schemas.endpoints.places import FIRST
from tests.support.http_server import Connection
from tests.support.subscribers import Behaviour, Subscriber
from tests.support.waiting import until
from tests.workers.test_deliver import LANE, House, house

__all__ = ["house"]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Strength:
    """An endpoint that works on so many callbacks at once, each for so many seconds; the others wait. `most` were there
    at once."""

    def __init__(self, at_once: int, takes: float) -> None:
        self._working = asyncio.Semaphore(at_once)
        self._takes = takes
        self._here = 0
        self.most = 0

    async def __call__(self, connection: Connection) -> None:
        self._here += 1
        self.most = max(self.most, self._here)
        async with self._working:
            await asyncio.sleep(self._takes)
        self._here -= 1
        connection.writer.write(OK)


def playing(play: Callable[[Connection], Awaitable[None]]) -> Behaviour:
    """What a subscriber plays for every callback."""
    return Behaviour("strength", play, "delivered", 200)


@pytest.mark.parametrize(("at_once", "least", "most"), [(8, 5, 32), (1000, 32, 64)])
async def test_an_endpoint_gets_as_many_as_it_takes(house: House, at_once: int, least: int, most: int) -> None:
    """One that works on eight at a time is never sent 64, and settles near its strength; a strong one is sent many.

    A machine that stands still for a moment halves the places, so that they may need more answers to grow.
    """
    strength = Strength(at_once, 0.15)
    count = 0.0
    async with Subscriber(playing(strength)) as subscriber:
        await house.subscribe(subscriber, places=FIRST, max_in_flight=64)
        for first in range(0, 3000, 300):
            await house.driver.record_for(LANE, 300, first=first)
            while "pending" in await house.states():
                await house.deliver()
            count = await house.driver.places("ep_1")
            if count >= least:
                break
    assert least <= count <= most
    assert least <= strength.most <= most


async def test_a_hanging_endpoint_holds_few(house: House) -> None:
    """It begins with four, and those it has not answered give it no more."""
    release = asyncio.Event()
    strength = Strength(1000, 0)

    async def hang(connection: Connection) -> None:
        await release.wait()
        await strength(connection)

    async with Subscriber(playing(hang)) as subscriber:
        await house.subscribe(subscriber, places=FIRST, max_in_flight=64)
        await house.driver.record_for(LANE, 20)
        for _ in range(4):
            await house.deliverer.deliver(LANE.address)
            await asyncio.sleep(0.1)
        await subscriber.received(FIRST)
        assert len(subscriber.requests) == FIRST
        release.set()
        await house.rest()


async def test_one_slow_callback_does_not_hold_up_a_lane(house: House) -> None:
    """What hangs keeps its own place only, though it is more than half of them."""
    release = asyncio.Event()
    seen = 0

    async def hang_thrice(connection: Connection) -> None:
        nonlocal seen
        seen += 1
        if seen <= 3:
            await release.wait()
        connection.writer.write(OK)

    async with Subscriber(playing(hang_thrice)) as subscriber:
        await house.subscribe(subscriber, places=FIRST)
        await house.driver.record_for(LANE, 8)

        async def deliver_five() -> bool:
            await house.deliverer.deliver(LANE.address)
            return (await house.states()).count("delivered") >= 5

        await until(deliver_five, "five are delivered", every=0.1)
        assert (await house.states()).count("delivered") == 5
        release.set()
        await house.rest()
