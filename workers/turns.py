"""Turns: a worker runs one look-up per lane at a time. Payments that become due meanwhile wait for the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from ledger.keys import Lane


class Turns:
    """The turns under way in this worker. ``again`` is called with each lane that was kicked during its turn."""

    def __init__(self, again: Callable[[Lane], object]) -> None:
        self._again = again
        self._kicked: dict[Lane, bool] = {}
        self._writing: set[Lane] = set()

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

    def let_next_begin(self, lane: Lane, turn: ExitStack) -> None:
        """Let the next turn begin while this one still writes its results. One turn of a lane at a time may do so."""
        if lane not in self._writing:
            self._writing.add(lane)
            turn.close()
            turn.callback(self._writing.discard, lane)

    def _end(self, lane: Lane) -> None:
        if self._kicked.pop(lane):
            self._again(lane)
