"""The recorder: writes what the outbox holds to history, exactly once.

Every worker has one, and one of them records at a time, so that they do not get in each other's way; exactly-once does
not depend on it. Entries of all cells and the places behind them are written in one transaction, which fails to move a
place that another recorder has moved; the outboxes are trimmed after that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping

import structlog

from history import History
from history.write import Move
from ledger.outbox import Item, Outbox, outbox_name
from runtime.repeated_lines import Repeats
from schemas.errors import HistoryUnavailable, RefusedEntries, UnknownEntry
from schemas.reasons import Reason

log = structlog.get_logger()

MOST_ITEMS = 500
"""Items that one transaction writes; an item has one to some entries."""
ENOUGH = 1_000
"""Entries of one transaction after which the next one follows at once."""
GATHER = 0.03
"""Seconds in which the next transaction gathers entries after one that had fewer: a commit to disk costs as much as
dozens of entries, and lists wait for the recorder anyway."""
IDLE_WAIT = 1.25
"""Seconds for which an idle recorder waits for an entry before it renews its lead."""
LOOK_EVERY = 5.0
"""Seconds between two looks whether history still has what was recorded: it may be lost while nothing is to record."""
LEAD_AGAIN = 1.5
"""Seconds between two attempts to become the recorder."""
FINISH_WITHIN = 3.0
"""Seconds in which a worker that stops records what is left."""
RETRY_AFTER = 1.0
"""Seconds until history is tried again."""


class Recorder:
    """Records the outboxes of all cells while it leads. `owner` is unique among all workers."""

    def __init__(self, outbox: Outbox, history: History, owner: str) -> None:
        self._outbox = outbox
        self._history = history
        self._owner = owner
        self._repeats = Repeats()
        self._away = False

    async def step(self) -> None:
        """Record what waits, and whatever comes; return when another one records, or a cell is away.

        Raises `LedgerUnavailable`. While history is away it is tried again; a line in the log says so.
        """
        ledger = await self._outbox.lead(self._owner)
        if ledger is None:
            await asyncio.sleep(LEAD_AGAIN)
            return
        try:
            places = await self._record_what_waits(ledger, self._outbox.cells)
            look_at = time.monotonic() + LOOK_EVERY
            while len(places) == len(self._outbox.cells):
                waiting = await self._outbox.wait(places, IDLE_WAIT)
                if await self._outbox.lead(self._owner) != ledger:
                    return
                if time.monotonic() >= look_at:
                    if await self._places(ledger, self._outbox.cells) != places:
                        return
                    look_at = time.monotonic() + LOOK_EVERY
                for cell in waiting:
                    del places[cell]
                places |= await self._record_what_waits(ledger, waiting)
        except HistoryUnavailable as error:
            self._log_away(error)
            await asyncio.sleep(RETRY_AFTER)
        except UnknownEntry as error:
            if (times := self._repeats.times(str(error))) is not None:
                log.critical(
                    "outbox_not_readable", error=str(error), times=times,
                    hint="report this line, or start a worker of the version that wrote the entry; nothing is skipped,"
                    " the outbox grows meanwhile",
                )  # fmt: skip
            await asyncio.sleep(RETRY_AFTER)

    async def finish(self) -> None:
        """Record what this worker has still changed, as it may be the last one, and let another record at once.

        Raises `LedgerUnavailable`. A history that is away, or takes longer than `FINISH_WITHIN`, is left to the next.
        """
        try:
            async with asyncio.timeout(FINISH_WITHIN):
                ledger = await self._outbox.lead(self._owner)
                if ledger is not None:
                    await self._record_what_waits(ledger, self._outbox.cells)
        except (HistoryUnavailable, RefusedEntries, UnknownEntry, TimeoutError) as error:
            log.warning("outbox_not_recorded", error=str(error), hint="the next recorder goes on with it")
        await self._outbox.resign(self._owner)

    async def _record_what_waits(self, ledger: str, cells: Collection[int]) -> dict[int, str]:
        """Record until nothing waits in these cells; the places that are reached, of no cell whose history was lost or
        that is away. Of none at all where another one records."""
        if not cells:
            return {}
        places = await self._places(ledger, cells)
        self._log_back()
        items = await self._read(ledger, places)
        reached = {cell: places[cell] for cell in items}
        # A recorder that was killed may have left items that history has.
        await self._outbox.trim_all({cell: reached[cell] for cell, some in items.items() if not some})
        while busy := {cell: some for cell, some in items.items() if some}:
            reached |= await self._record(ledger, reached, busy)
            if sum(len(item.entries) for some in busy.values() for item in some) < ENOUGH:
                await asyncio.sleep(GATHER)
            if await self._outbox.lead(self._owner) != ledger:
                return {}
            behind = {cell: reached.pop(cell) for cell in busy}
            items = await self._read(ledger, behind)
            reached |= {cell: behind[cell] for cell in items}
        return reached

    async def _read(self, ledger: str, places: Mapping[int, str]) -> dict[int, list[Item]]:
        """What waits in these cells behind their places; of none that is away, or of which history had more before:
        that is written again."""
        items, lost = await self._outbox.read_checked(places, _share(places))
        for cell in lost:
            await self._go_on_behind(ledger, cell, places[cell])
        return items

    async def _places(self, ledger: str, cells: Collection[int]) -> dict[int, str]:
        """How far history has recorded these cells. Raises `HistoryUnavailable` where it is another ledger's."""
        names = {cell: outbox_name(ledger, cell) for cell in cells}
        found = await self._history.standing(list(names.values()))
        if found.owner not in (ledger, None):
            raise HistoryUnavailable(Reason.of("history_of_another_ledger", owner=found.owner))
        return {cell: found.places[name] for cell, name in names.items()}

    async def _go_on_behind(self, ledger: str, cell: int, place: str) -> None:
        """History had more before than it has now, unless another recorder has moved its place meanwhile."""
        if (await self._places(ledger, [cell]))[cell] == place:
            log.error(
                "history_lost", cell=cell, place=place,
                hint="what the ledger holds is written again; `relay reconcile --rebuild` finds older facts at i'mport",
            )  # fmt: skip
            await self._outbox.rewrite(place, cell)

    async def _record(self, ledger: str, places: Mapping[int, str], items: Mapping[int, list[Item]]) -> dict[int, str]:
        """Write these items, in one transaction; the places that history has reached, by this recorder or another.

        Raises `RefusedEntries` with the first item that the database refuses; those before it in its cell, and those of
        other cells, are written.
        """
        upto = {cell: some[-1].place for cell, some in items.items()}
        moves = [Move(outbox_name(ledger, cell), places[cell], place) for cell, place in upto.items()]
        entries = (entry for some in items.values() for item in some for entry in item.entries)
        try:
            if not await self._history.record_all(moves, entries):
                return await self._places(ledger, items)
        except RefusedEntries:
            if len(items) > 1:
                return await self._record_each(ledger, places, items)
            ((cell, some),) = items.items()
            if len(some) == 1:
                raise
            half = len(some) // 2
            places = await self._record(ledger, places, {cell: some[:half]})
            if places[cell] != some[half - 1].place:
                return places
            return await self._record(ledger, places, {cell: some[half:]})
        await self._outbox.trim_all(upto)
        return upto

    async def _record_each(
        self, ledger: str, places: Mapping[int, str], items: Mapping[int, list[Item]]
    ) -> dict[int, str]:
        """The same, each cell by itself: the database refuses something of one of them."""
        reached: dict[int, str] = {}
        refused: RefusedEntries | None = None
        for cell, some in items.items():
            try:
                reached |= await self._record(ledger, places, {cell: some})
            except RefusedEntries as error:
                refused = error
        if refused is not None:
            raise refused
        return reached

    def _log_away(self, error: HistoryUnavailable) -> None:
        self._away = True
        if (times := self._repeats.times(str(error))) is not None:
            log.error(
                "history_away", error=str(error), times=times,
                hint="webhooks are acknowledged and callbacks delivered all the same; lists answer 503",
            )  # fmt: skip

    def _log_back(self) -> None:
        if self._away:
            self._away = False
            log.info("history_back")


def _share(cells: Collection[int]) -> int:
    """How many items of each of these cells one transaction writes."""
    return max(MOST_ITEMS // max(len(cells), 1), 1)
