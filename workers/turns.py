"""Turns: a worker runs one look-up per lane at a time. Payments that become due meanwhile wait for the next one, which
the same worker begins without Dramatiq."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from ledger.constants import TURN
from ledger.keys import Lane
from runtime.repeated_lines import Repeats
from schemas.errors import LedgerUnavailable

log = structlog.get_logger()

MOST_TAKEN_UP = 16
"""With so many lanes of one kind in hand, a process leaves those that it kicks to the queue: a free worker takes
them."""


@dataclass(slots=True)
class _Open:
    """A turn under way: when it began, whether its payments are looked up and being settled, and whether its lane was
    kicked."""

    turn: ExitStack
    began: float
    settles: bool = False
    kicked: bool = False


class Turns:
    """The turns under way in this worker. ``again`` is called with each lane that was kicked during its turn; ``clock``
    gives seconds."""

    def __init__(self, again: Callable[[Lane], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._again = again
        self._clock = clock
        self._open: dict[Lane, _Open] = {}
        self._writing: set[Lane] = set()

    @contextmanager
    def of(self, lane: Lane) -> Iterator[ExitStack | None]:
        """A lane's turn, which the caller may close early; None if one is under way, which another will follow."""
        if lane in self._open:
            self._open[lane].kicked = True
            yield None
            return
        with ExitStack() as turn:
            self._open[lane] = _Open(turn, self._clock())
            turn.callback(self._end, lane)
            yield turn

    def settle(self, lane: Lane, turn: ExitStack) -> None:
        """The turn has looked its payments up: from now on each that is settled may kick the lane."""
        under_way = self._open.get(lane)
        if under_way is not None and under_way.turn is turn:  # it was not closed early
            under_way.settles = True

    def continues(self, lane: Lane) -> bool:
        """Whether this worker takes up a lane that it has just kicked: only while the lane's turn settles its payments
        and is younger than `TURN`. During the look-up the kick goes to the queue: another worker may be free."""
        under_way = self._open.get(lane)
        if under_way is None or not under_way.settles or self._clock() - under_way.began >= TURN:
            return False
        under_way.kicked = True
        return True

    def hands_over(self, lane: Lane) -> bool:
        """Whether a kick that this turn has kept must go to the queue after all, because the turn takes too long. The
        turn no longer keeps it then."""
        under_way = self._open.get(lane)
        if under_way is None or not (under_way.settles and under_way.kicked):
            return False
        under_way.kicked = False
        return True

    def let_next_begin(self, lane: Lane, turn: ExitStack) -> None:
        """Let the next turn begin while this one still writes its results. One turn of a lane at a time may do so."""
        if lane not in self._writing:
            self._writing.add(lane)
            turn.close()
            turn.callback(self._writing.discard, lane)

    def _end(self, lane: Lane) -> None:
        if self._open.pop(lane).kicked:
            self._again(lane)


class TakenUp:
    """Work on lanes that this process begins itself, without a kick by the queue."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[None]] = set()
        self._errors = TurnErrors()
        self._finishing = False

    def begin(self, lane: Lane, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Begin to work on a lane. Return False if this process is stopping, or does so for `MOST_TAKEN_UP` lanes."""
        if self._finishing or len(self._under_way) >= MOST_TAKEN_UP:
            return False
        task = asyncio.create_task(self._carry_out(lane, work))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True

    async def finish(self, within: float) -> None:
        """Wait for what is under way, ``within`` seconds at most; begin no more."""
        self._finishing = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=within)

    async def _carry_out(self, lane: Lane, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        with self._errors.logged(lane):
            await work()


class TurnErrors:
    """Logs the errors of turns that no caller waits for."""

    def __init__(self) -> None:
        self._left = Repeats()

    @contextmanager
    def logged(self, lane: Lane) -> Iterator[None]:
        """Log an error of this lane's turn instead of raising it. A bug of ours is logged with its stack."""
        try:
            yield
        except LedgerUnavailable as error:
            if (times := self._left.times(str(error))) is not None:
                log.warning("lane_left", lane=str(lane), error=str(error), times=times, hint="the sweep kicks it again")
        except Exception:
            log.exception("turn_crashed", lane=str(lane), hint="what it has claimed is due again when its leases end")
