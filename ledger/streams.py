"""Streams of which every cell has one: wait until one of them has something new.

One command waits for the streams of several cells if it may name all of them; on a Redis Cluster, each needs its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ledger.cells import Cells
from ledger.keys import Key
from schemas.errors import LedgerUnavailable

Items = list[tuple[bytes, dict[bytes, bytes]]]
_SHORTEST = 0.001


class Streams:
    """The streams of one kind. One caller waits at a time."""

    def __init__(self, cells: Cells, key: Key) -> None:
        self._cells = cells
        self._key = key
        self._reading: dict[tuple[tuple[int, str], ...], asyncio.Task[dict[int, Items]]] = {}

    async def wait(self, after: Mapping[int, str], seconds: float) -> dict[int, Items]:
        """Wait until a cell has items behind its place; return the next one of each cell that has some, or nothing
        after so many seconds. Cells that are away count as having none. Raises `LedgerUnavailable` if all are away."""
        ends = time.monotonic() + seconds
        cells = sorted(after)
        groups = await self._cells.scripting.together([self._cells[cell].prefix for cell in cells])
        wanted = [tuple((cells[place], after[cells[place]]) for place in group) for group in groups]
        for gone in self._reading.keys() - set(wanted):
            self._reading.pop(gone).cancel()
        failed: LedgerUnavailable | None = None
        while wanted and (left := ends - time.monotonic()) > _SHORTEST:
            for group in wanted:
                if group not in self._reading:
                    self._reading[group] = asyncio.create_task(self._read(group, left))
            done, _ = await asyncio.wait(self._reading.values(), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            found: dict[int, Items] = {}
            for group in [group for group, task in self._reading.items() if task in done]:
                try:
                    found |= self._reading.pop(group).result()
                except LedgerUnavailable as error:
                    failed = error
                    wanted.remove(group)
            if found:
                return found
        if failed is not None and not wanted:
            raise failed
        return {}

    async def _read(self, group: tuple[tuple[int, str], ...], seconds: float) -> dict[int, Items]:
        names = [self._cells[cell].prefix + self._key() for cell, _ in group]
        block = str(max(1, round(seconds * 1000)))
        places = [place for _, place in group]
        answer: Any = await self._cells[group[0][0]].ask(
            "XREAD", "COUNT", "1", "BLOCK", block, "STREAMS", *names, *places
        )
        numbers = {name.encode(): cell for name, (cell, _) in zip(names, group, strict=True)}
        return {numbers[name]: items for name, items in answer or ()}
