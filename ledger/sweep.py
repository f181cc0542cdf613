"""The sweep: kicks every lane that has due work and no kick under way, and rests while none can be due.

Whatever makes a lane due sooner than the sweep means to look wakes it (``scripts/shared/lanes.lua``). A wake-up that is
lost costs its rest at most.
"""

from __future__ import annotations

import asyncio
import time

from ledger.constants import SWEEP_EVERY
from ledger.keys import PREFIX, WAKE, Lane
from ledger.leases import LEASE_MS
from ledger.store import Store

_SWEEPER_MS = 5_000
"""For how long after its last sweep a worker remains the sweeper: longer than it rests."""
_WAIT = 1.0
"""Seconds for which Redis is asked to wait for a wake-up: shorter than the time in which it must answer."""
_WAKE = PREFIX + WAKE()


class Sweep:
    """The sweep of one worker: the lanes that are due, and a rest until there may be others."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heard = "0-0"
        self._next = 0.0
        self._sweeps = False

    async def kick(self, owner: str, limit: int) -> list[Lane]:
        """Kick the lanes that are due; return those kicked. Raises `LedgerUnavailable`."""
        self._next = time.monotonic() + SWEEP_EVERY
        lanes, rest, sweeps = await self._store.run_and_kick("sweep", limit, owner, _SWEEPER_MS, LEASE_MS)
        self._next, self._sweeps = time.monotonic() + int(rest) / 1000, bool(sweeps)
        return [Lane.parse(lane.decode()) for lane in lanes]

    async def rest(self) -> None:
        """Return when it is time to sweep again. Raises `LedgerUnavailable`."""
        while (left := self._next - time.monotonic()) > 0:
            if self._sweeps and left > SWEEP_EVERY:
                await self._listen(min(left, _WAIT))
            else:
                await asyncio.sleep(left)

    async def _listen(self, seconds: float) -> None:
        """Wait for a wake-up; it says when a lane is due."""
        block = str(max(1, round(seconds * 1000)))
        found = await self._store.ask("XREAD", "COUNT", "1", "BLOCK", block, "STREAMS", _WAKE, self._heard)
        for _stream, entries in found or ():
            for place, fields in entries:
                self._heard = place.decode()
                woken_at = int(self._heard.partition("-")[0])
                self._next = min(self._next, time.monotonic() + max(0, int(fields[b"at"]) - woken_at) / 1000)
