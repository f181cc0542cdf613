"""What Prometheus says of alerts over time: when each was pending, fired and ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass

from tests.support.prometheus import Alert, Prometheus


@dataclass(frozen=True, slots=True)
class Look:
    """The alerts at a moment (seconds of `perf_counter`)."""

    at: float
    alerts: Collection[Alert]

    @property
    def names(self) -> set[str]:
        """Those that are pending or firing."""
        return {one.name for one in self.alerts}

    @property
    def firing(self) -> set[str]:
        """Those that fire."""
        return {one.name for one in self.alerts if one.state == "firing"}


class AlertWatch:
    """Looks every few seconds, while it is entered; what is `ignored` it does not see."""

    def __init__(self, watcher: Prometheus, every: float, ignored: Collection[str]) -> None:
        self._watcher = watcher
        self._every = every
        self._ignored = ignored
        self._task: asyncio.Task[None] | None = None
        self.looks: list[Look] = []

    async def __aenter__(self) -> AlertWatch:
        await self._look()
        self._task = asyncio.create_task(self._go_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def until(self, holds: Callable[[Look], bool], within: float) -> bool:
        """Wait until this holds of the latest look. Whether it did in time."""
        ends = time.perf_counter() + within
        while not holds(self.looks[-1]):
            if time.perf_counter() > ends:
                return False
            assert self._task is not None
            if self._task.done():
                self._task.result()
            await asyncio.sleep(self._every / 4)
        return True

    def between(self, begin: float, end: float) -> list[Look]:
        """The looks from one moment to another."""
        return [look for look in self.looks if begin <= look.at <= end]

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            await self._look()

    async def _look(self) -> None:
        alerts = [one for one in await self._watcher.alerts() if one.name not in self._ignored]
        self.looks.append(Look(time.perf_counter(), alerts))
