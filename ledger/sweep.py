"""The sweep: kicks every lane that has due work and no kick under way, and rests while none can be due.

One worker sweeps all cells. It reads when the first lane of each cell is due, and sweeps the cell then. A script that
makes a lane due sooner wakes it (``scripts/shared/lanes.lua``). If a wake-up is lost, the lane waits for the end of the
sweep's rest at most.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence

from ledger.cells import Cells
from ledger.constants import SWEEP_AGAIN, SWEEP_EVERY, SWEEP_REST
from ledger.holders import Holders
from ledger.keys import LANES, WAKE
from ledger.leases import LEASE_MS
from ledger.memory import is_nearly_full
from ledger.scripting import raised
from ledger.streams import Streams

_SWEEPER_MS = 5_000
"""For how long after its last look a worker remains the sweeper: longer than it rests."""
_TAKE_OVER_EVERY = 2.0
"""Seconds after which another worker tries to become the sweeper."""
_CLOCK_PUT_BACK = 1.0
"""If Redis' clock was put back by more seconds than this, all cells are swept at each look for a while: leases seem to
end later than they do."""
_WAIT = 1.0
"""Seconds for which Redis is asked to wait for a wake-up: shorter than the time in which it must answer."""


class Sweep:
    """The sweep of one worker: the lanes that are due, and a rest of ``rest`` seconds at most until there may be others
    (None: `SWEEP_REST`)."""

    def __init__(self, cells: Cells, rest: float | None = None) -> None:
        self._cells = cells
        self._rest = SWEEP_REST if rest is None else rest
        self._streams = Streams(cells, WAKE)
        self._heard = dict.fromkeys(range(len(cells)), "0-0")
        self._due = dict.fromkeys(range(len(cells)), 0.0)
        """When to sweep each cell."""
        self._look_at = 0.0
        self._sweeps = False
        self._with_lanes = Holders(cells, LANES)
        self._is_pressed = False
        self._skew: float | None = None
        self._thorough_until = 0.0

    async def kick(self, owner: str) -> None:
        """Kick the lanes that are due. Raises `LedgerUnavailable`."""
        began = time.monotonic()
        self._look_at = began + SWEEP_EVERY
        swept = self._sweeps
        self._sweeps = await self._cells.shared.run("take_lead", "sweep", owner, _SWEEPER_MS) is not None
        if not self._sweeps:
            self._look_at = began + _TAKE_OVER_EVERY
            return
        if not swept:
            self._due = dict.fromkeys(self._due, 0.0)
        await self._look()
        self._look_at = began + self._rest
        await self._sweep([cell for cell, at in self._due.items() if at <= time.monotonic()])

    def swept(self) -> Sequence[int]:
        """The cells that had lanes at the latest look; none while another worker sweeps."""
        return self._with_lanes.holding if self._sweeps else ()

    async def rest(self) -> None:
        """Return when it is time to sweep again. Raises `LedgerUnavailable`."""
        while (left := self._until() - time.monotonic()) > 0:
            if self._sweeps and left > SWEEP_EVERY:
                await self._listen(min(left, _WAIT))
            else:
                await asyncio.sleep(left)

    def _until(self) -> float:
        return min(self._look_at, *self._due.values()) if self._sweeps else self._look_at

    async def _look(self) -> None:
        """Read which lane of each cell is due first. A cell that is away is left for the next look."""
        now = time.monotonic()
        (clock,) = raised(await self._cells.scripting.ask([(self._cells.shared.prefix, ("TIME",))]))
        skew = now - int(clock[0]) - int(clock[1]) / 1_000_000
        if self._skew is not None and skew - self._skew > _CLOCK_PUT_BACK:
            self._thorough_until = now + SWEEP_AGAIN
        self._skew = skew
        for cell, at in (await self._first_due()).items():
            self._due[cell] = min(self._due[cell], at + skew)
        was_pressed, self._is_pressed = self._is_pressed, await is_nearly_full(self._cells)
        if self._is_pressed or was_pressed or now < self._thorough_until:
            self._due = dict.fromkeys(self._due, 0.0)

    async def _first_due(self) -> dict[int, float]:
        """When the first lane is due in each cell that has lanes, in UNIX seconds."""
        cells = await self._with_lanes.candidates()
        names = [self._cells[cell].prefix + LANES() for cell in cells]
        asked = [(name, ("ZRANGE", name, "0", "0", "WITHSCORES")) for name in names]
        answers = await self._cells.scripting.ask(asked)
        if answers and all(isinstance(answer, Exception) for answer in answers):
            raised(answers)
        found = {
            cell: float(answer[1]) / 1000
            for cell, answer in zip(cells, answers, strict=True)
            if answer and not isinstance(answer, Exception)
        }
        self._with_lanes.note(found)
        return found

    async def _sweep(self, cells: Collection[int]) -> None:
        calls = {self._cells[cell]: (LEASE_MS,) for cell in cells}
        answers = await self._cells.some("sweep", calls, kick=True)
        for store, rest in answers.items():
            seconds = SWEEP_EVERY if isinstance(rest, Exception) else int(rest) / 1000
            self._due[store.cell or 0] = time.monotonic() + seconds
        if all(isinstance(answer, Exception) for answer in answers.values()):
            raised(list(answers.values()))

    async def _listen(self, seconds: float) -> None:
        """Wait for a wake-up; it says when a lane is due."""
        for cell, items in (await self._streams.wait(self._heard, seconds)).items():
            for place, fields in items:
                self._heard[cell] = place.decode()
                woken_at = int(self._heard[cell].partition("-")[0])
                due = time.monotonic() + max(0, int(fields[b"at"]) - woken_at) / 1000
                self._due[cell] = min(self._due[cell], due)
