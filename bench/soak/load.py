"""Webhooks at a steady rate, each about a payment of its own, for as long as they are wanted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.plan import Plan
from bench.traffic import Sent, Traffic

CHUNK = 5.0
"""Seconds for which moments are drawn at once."""


class Load:
    """What was sent: `sent` has a part for each few seconds, oldest first."""

    def __init__(self, port: int, per_second: int, seed: int) -> None:
        self._port = port
        self._per_second = per_second
        self._plan = Plan(seed=seed)
        self.sent: list[Sent] = []

    @property
    def imp_uids(self) -> set[str]:
        """The payments so far."""
        return set().union(*(part.at for part in self.sent))

    @property
    def refused(self) -> int:
        """Answers other than 200."""
        return sum(part.refused for part in self.sent)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Send while this lasts. Raises what sending raises."""
        stopping = asyncio.Event()
        task = asyncio.create_task(self._send(stopping))
        try:
            yield
        finally:
            stopping.set()
            await task

    async def _send(self, stopping: asyncio.Event) -> None:
        for number in itertools.count(len(self.sent)):
            if stopping.is_set():
                return
            moments = self._plan.moments(number, self._per_second, CHUNK)
            imp_uids = [f"imp_{number}_{i}" for i in range(len(moments))]
            self.sent.append(await Traffic(self._port).on_time(imp_uids, moments))
