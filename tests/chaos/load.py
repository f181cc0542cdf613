"""Webhooks at a steady rate, whatever happens to who takes them, each sent again until somebody says 200."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

import aiohttp

from tests.chaos.shop import Shop

GIVE_UP = 60.0
"""Seconds after which a webhook that nobody takes is given up; it was never accepted."""
MADE_UP, REPEATED = 0.01, 0.02
"""Of a hundred webhooks: for a payment that i'mport does not know, and sent twice though it was accepted."""


class Load:
    """Posts ``rate`` webhooks a second to one receiver or the other."""

    def __init__(self, shop: Shop, ports: Sequence[int], rng: random.Random, rate: float) -> None:
        self._shop = shop
        self._ports = ports
        self._rng = rng
        self._rate = rate
        self._stop = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self._posting: set[asyncio.Task[None]] = set()
        self.answers: Counter[int] = Counter()
        self.accepted: dict[str, tuple[str, int, float]] = {}
        """Notification id -> imp_uid, step (0 for one that is made up), when it was acknowledged."""
        self.given_up = 0

    async def run(self) -> None:
        """Post until `stop`; then wait for what is under way."""
        connector = aiohttp.TCPConnector(limit=512)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=15)) as session:
            due = time.monotonic()
            while not self._stop.is_set():
                await self._going.wait()
                self._post_one(session)
                due = max(due + 1 / self._rate, time.monotonic() - 1)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
            await asyncio.gather(*self._posting)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stop.set()
        self._going.set()

    def hold(self) -> None:
        """Begin nothing for a while; what nobody has taken yet is still sent again."""
        self._going.clear()

    def go_on(self) -> None:
        """Go on after `hold`."""
        self._going.set()

    def _post_one(self, session: aiohttp.ClientSession) -> None:
        if self._rng.random() < MADE_UP:
            imp_uid, step = f"imp_nobody_{self._rng.randrange(10**9):09}", 0
        else:
            payment, step = self._shop.next_step()
            imp_uid = payment.imp_uid
        for _ in range(2 if self._rng.random() < REPEATED else 1):
            task = asyncio.create_task(self._post(session, imp_uid, step))
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)

    async def _post(self, session: aiohttp.ClientSession, imp_uid: str, step: int) -> None:
        body = {"imp_uid": imp_uid, "merchant_uid": f"order_{imp_uid}", "status": "paid"}
        until, tries = time.monotonic() + GIVE_UP, self._rng.randrange(2)
        while time.monotonic() < until:
            tries += 1
            url = f"http://127.0.0.1:{self._ports[tries % len(self._ports)]}/webhooks"
            try:
                async with session.post(url, json=body) as answer:
                    self.answers[answer.status] += 1
                    if answer.status == 200:
                        self.accepted[(await answer.json())["id"]] = (imp_uid, step, time.monotonic())
                        return
            except (aiohttp.ClientError, TimeoutError, OSError):
                self.answers[0] += 1
            await asyncio.sleep(0.2)
        self.given_up += 1
