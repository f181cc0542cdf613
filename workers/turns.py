"""Turns: a worker runs one look-up per lane at a time. Payments that become due meanwhile wait for the next one. Some
turns begin without Dramatiq, as the worker that kicks a lane takes it up itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import structlog

from ledger.constants import TURN
from ledger.keys import Lane
from runtime.repeated_lines import Repeats
from schemas.errors import LedgerUnavailable

log = structlog.get_logger()

MOST_TAKEN_UP = 16
"""With this many turns of one kind under way, a process leaves the lanes that it kicks to the queue, so that a free
worker takes them."""


class Turns:
    """The turns under way in this worker. ``again`` is called with each lane that was kicked during its turn; ``clock``
    gives seconds."""

    def __init__(self, again: Callable[[Lane], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._again = again
        self._clock = clock
        self._kicked: dict[Lane, bool] = {}
        self._writing: set[Lane] = set()
        self._settling: dict[Lane, float] = {}

    @contextmanager
    def of(self, lane: Lane) -> Iterator[ExitStack | None]:
        """A lane's turn, which the caller may close early; None if one is under way, which another will follow."""
        if lane in self._kicked:
            self._kicked[lane] = True
            yield None
            return
        self._kicked[lane] = False
        with ExitStack() as turn:
            turn.callback(self._end, lane)
            yield turn

    def takes(self, lane: Lane) -> bool:
        """Whether a kick of this lane should stay in this worker. While a turn looks payments up, or has been settling
        them for `TURN`, another worker may be free."""
        since = self._settling.get(lane)
        if since is None:
            return lane not in self._kicked
        return self._clock() - since < TURN

    def settle(self, lane: Lane) -> None:
        """The turn has looked its payments up: from now on each that is settled may kick the lane."""
        self._settling[lane] = self._clock()

    def let_next_begin(self, lane: Lane, turn: ExitStack) -> None:
        """Let the next turn begin while this one still writes its results. One turn of a lane at a time may do so."""
        if lane not in self._writing:
            self._writing.add(lane)
            turn.close()
            turn.callback(self._writing.discard, lane)

    def _end(self, lane: Lane) -> None:
        self._settling.pop(lane, None)
        if self._kicked.pop(lane):
            self._again(lane)


class TakenUp:
    """Turns of lanes that this process kicks itself: what has become due during a turn goes to the worker that had it,
    without a detour through the queue. Besides, it shares lanes whose turns take long."""

    def __init__(self, work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._under_way: set[asyncio.Task[None]] = set()
        self._errors = TurnErrors()
        self._finishing = False

    def begin(self, lane: str) -> bool:
        """Begin the turn of a lane. Return False, and leave the lane to the queue, if this process is stopping or has
        `MOST_TAKEN_UP` such turns."""
        if self._finishing or len(self._under_way) >= MOST_TAKEN_UP:
            return False
        self.start(lane, self._work(lane))
        return True

    def start(self, lane: object, work: Coroutine[Any, Any, None]) -> None:
        """Start something for a lane that no caller waits for."""
        task = asyncio.create_task(self._carry_out(lane, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def finish(self, within: float) -> None:
        """Wait for the turns that are under way, ``within`` seconds at most; begin no more."""
        self._finishing = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)

    async def _carry_out(self, lane: object, work: Coroutine[Any, Any, None]) -> None:
        with self._errors.logged(lane):
            await work


class TurnErrors:
    """Logs the errors of turns that no caller waits for."""

    def __init__(self) -> None:
        self._left = Repeats()

    @contextmanager
    def logged(self, lane: object) -> Iterator[None]:
        """Log an error of this lane's turn instead of raising it. A bug of ours is logged with its stack."""
        try:
            yield
        except LedgerUnavailable as error:
            if (times := self._left.times(str(error))) is not None:
                log.warning("lane_left", lane=str(lane), error=str(error), times=times, hint="the sweep kicks it again")
        except Exception:
            log.exception("turn_broke", lane=str(lane), hint="what it has claimed is due again when its leases end")
