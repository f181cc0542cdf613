"""Opening a ledger: it accepts webhooks and hands out work only when its history is known to be its own.

A Redis that was lost comes back empty. Without this check, the relay would take every payment for a new one and
announce years of them again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ledger.cells import Cells
from ledger.compatibility import stored_version
from ledger.keys import NAME, OPEN
from ledger.scripting import raised
from schemas.errors import BadSetting, HistoryUnavailable, LedgerNotOpen
from schemas.reasons import Reason


class OwnedHistory(Protocol):
    """What opening asks of history. Raises `HistoryUnavailable`."""

    async def prepare(self) -> None:
        """Make the tables, or bring them up to date. Raises `BadSetting`."""

    async def owner(self) -> str | None:
        """The name of the ledger that it belongs to; None before a ledger has adopted it."""

    async def check_version(self) -> None:
        """Raise `BadSetting` if its tables come from a release that this one cannot work with."""

    async def adopt(self, ledger: str) -> str:
        """Make it the history of a ledger, unless it belongs to another; return the ledger that it belongs to."""

    async def hand_over(self, ledger: str) -> None:
        """Make it the history of this ledger, even if it belonged to another."""

    async def is_empty(self) -> bool:
        """Whether nothing was ever recorded."""


async def open_with(cells: Cells, name: str, history: OwnedHistory) -> None:
    """Open the ledger of this name if `history` is its own.

    Raises `BadSetting` if the history belongs to another ledger, and `HistoryUnavailable` while that is unknown. Raises
    `LedgerNotOpen` if the ledger has to be restored: it is empty, or the part of it on a node of a Cluster is, but the
    history is not.
    """
    owner = await history.adopt(name)
    if owner != name:
        if await history.is_empty():
            await history.hand_over(name)
        elif all(await cells.each("is_ledger_empty")):
            raise LedgerNotOpen(Reason.of("ledger_lost"))
        else:
            raise BadSetting(
                f"RELAY_HISTORY_URL: this is the history of another ledger ({owner}), and the one at REDIS_URL is"
                f" {name}: give each relay a history of its own"
            )
    opened = await _opened(cells)
    if not opened[0] and not await history.is_empty() and all(await cells.each("is_ledger_empty")):
        await _close_unless_open(cells)
        raise LedgerNotOpen(Reason.of("ledger_lost"))
    if any(opened) and not all(opened[1:]) and not await history.is_empty():
        raise LedgerNotOpen(Reason.of("cells_lost", cells=", ".join(_closed(opened[1:]))))
    await open_ledger(cells, name)


async def open_ledger(cells: Cells, name: str) -> None:
    """Open the ledger of this name, whose history is known to be its own. Raises `LedgerNotOpen` if Redis was emptied
    a moment ago."""
    if not await cells.shared.run("open_ledger", name, durable=True):
        raise LedgerNotOpen(Reason.of("ledger_not_open"))
    await cells.each("name_cell", name, durable=True)
    if not all(await cells.each("open_ledger", name, durable=True)) or not (await _opened(cells))[0]:
        await _close_unless_open(cells)
        raise LedgerNotOpen(Reason.of("ledger_not_open"))


async def _close_unless_open(cells: Cells) -> None:
    """Close the empty cells, unless another process has opened the ledger meanwhile."""
    if not (await _opened(cells))[0]:
        await cells.each("close_cell", durable=True)


async def is_open(cells: Cells) -> bool:
    """Whether the whole ledger is open. Raises `LedgerUnavailable`."""
    return all(await _opened(cells))


async def is_open_with(cells: Cells, history: OwnedHistory) -> bool:
    """Whether the whole ledger is open and this is its history; for a process that has opened it. If history's tables
    are gone, they are made again.

    Raises `BadSetting` if a newer release has begun to store, in ledger or history, what this one cannot read;
    `LedgerUnavailable`; and `HistoryUnavailable` while the answer is unknown.
    """
    await stored_version(cells)
    if not await is_open(cells):
        return False
    name = await cells.shared.ask("GET", cells.shared.prefix + NAME())
    try:
        owner = await history.owner()
    except HistoryUnavailable:
        owner = await _owner_once_prepared(history)
    await history.check_version()
    return owner is not None and name is not None and owner == name.decode()


async def _owner_once_prepared(history: OwnedHistory) -> str | None:
    try:
        await history.prepare()
    except BadSetting as error:
        # This ends a process that starts. One that already works goes on: to it, history is only away.
        raise HistoryUnavailable(Reason.of("history_unreliable", error=str(error))) from None
    return await history.owner()


async def _opened(cells: Cells) -> list[bool]:
    """Whether the part that all cells share is open, then whether each cell is."""
    stores = (cells.shared, *cells)
    groups = await cells.scripting.together([store.prefix for store in stores])
    names = [[stores[place].prefix + OPEN() for place in group] for group in groups]
    counts = raised(await cells.scripting.ask([(some[0], ("EXISTS", *some)) for some in names]))
    if sum(counts) == len(stores):
        return [True] * len(stores)
    each = [(store.prefix, ("EXISTS", store.prefix + OPEN())) for store in stores]
    return [bool(found) for found in raised(await cells.scripting.ask(each))]


def _closed(opened: Sequence[bool]) -> list[str]:
    return [f"{cell:02}" for cell, is_open in enumerate(opened) if not is_open]
