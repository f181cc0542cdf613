"""Which cells have a key. In a small relay, most cells have no merchants and no lanes; asking all of them all the time
would be most of what an idle relay does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ledger.cells import Cells
from ledger.keys import Key
from ledger.scripting import raised

ALL_AT_EVERY = 20
"""Every so many looks, all cells are asked: if one cell gets the key and another loses it, the count stays the same."""


class Holders:
    """The cells that have a key. A caller reads the `candidates`, and notes which of them had the key."""

    def __init__(self, cells: Cells, key: Key) -> None:
        self._cells = cells
        self._names = [store.prefix + key() for store in cells]
        self.holding: Sequence[int] = []
        """The cells that had the key at the latest look."""
        self._looks = 0

    async def candidates(self) -> Sequence[int]:
        """The cells to ask. If one command can count the cells that have the key, and the count is the same as the last
        time, only the cells that had it then are asked. Raises `LedgerUnavailable`."""
        self._looks += 1
        if len(await self._cells.scripting.together(self._names)) == 1:
            (held,) = raised(await self._cells.scripting.ask([(self._names[0], ("EXISTS", *self._names))]))
            if held == len(self.holding) and self._looks % ALL_AT_EVERY:
                return self.holding
        return range(len(self._names))

    def note(self, holding: Iterable[int]) -> None:
        """Note that these cells, and no others, had the key."""
        self.holding = sorted(holding)
