"""Checks before a process works, e.g. of its rights in Redis and its encryption keys.

A check raises `BadSetting` for a fault that lasts until an operator acts; the process then ends with one line. While
Redis is away nothing can be checked, and each process decides how long its clients wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from runtime.periodic import Periodic
from schemas.errors import HistoryUnavailable, LedgerUnavailable

RETRY_EVERY = 1.0
"""Seconds between two checks while Redis is away."""

log = structlog.get_logger()

Check = Callable[[], Awaitable[object]]
"""Raises `BadSetting` for a lasting fault, and `LedgerUnavailable` or `HistoryUnavailable` while either is away."""


async def check_once(check: Check, within: float | None = None) -> bool:
    """Check now; whether the check passed. If Redis is away, or does not answer `within` that many seconds, this is
    only logged.

    Raises `BadSetting`.
    """
    try:
        async with asyncio.timeout(within):
            await check()
            return True
    except LedgerUnavailable as error:
        log.warning("ledger_away", error=str(error))
    except HistoryUnavailable as error:
        log.warning("history_away", error=str(error))
    except TimeoutError:
        log.warning("ledger_away", error=f"Redis did not answer within {within:g} s")
    return False


class StartupCheck:
    """A check that is made in the background until it passes, every `retry_every` seconds while Redis is away."""

    def __init__(self, check: Check, retry_every: float = RETRY_EVERY) -> None:
        self._check = check
        self._retry_every = retry_every
        self._over = asyncio.Event()

    def task(self, name: str) -> Periodic:
        """The background task that makes the check. A `BadSetting` of the check ends the process."""
        return Periodic(name, self._make, self._retry_every, once=True)

    async def passed(self, within: float | None = None) -> None:
        """Wait until the check has passed, for `within` seconds at most, or until `give_up`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._over.wait()

    def give_up(self) -> None:
        """End all waiting: the process is about to end."""
        self._over.set()

    async def _make(self) -> None:
        await self._check()
        self._over.set()
