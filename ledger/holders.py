"""Which cells have a key that most of them lack, as most merchants' or lanes' cells are empty in a small relay: asking
all of them, time and again, would be most of what an idle relay does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.cells import Cells
from ledger.keys import Key
from ledger.scripting import raised

ALL_AT_EVERY = 20
"""Every so many times all cells are asked: two changes between two looks may leave as many cells with the key."""


class Holders:
    """The cells that have a key. Whoever asks `candidates` reads them, and notes which of them had it."""

    def __init__(self, cells: Cells, key: Key) -> None:
        self._cells = cells
        self._names = [store.prefix + key() for store in cells]
        self.holding: Sequence[int] = []
        """Those that had it at the latest look."""
        self._looks = 0

    async def candidates(self) -> Sequence[int]:
        """The cells to ask. Where one command can say how many cells have the key, and these are as many as had it the
        last time, the others are left out. Raises `LedgerUnavailable`."""
        self._looks += 1
        if len(await self._cells.scripting.together(self._names)) == 1:
            (held,) = raised(await self._cells.scripting.ask([(self._names[0], ("EXISTS", *self._names))]))
            if held == len(self.holding) and self._looks % ALL_AT_EVERY:
                return self.holding
        return range(len(self._names))

    def note(self, holding: Iterable[int]) -> None:
        """These, and no others, had the key."""
        self.holding = sorted(holding)
