"""The recorder: writes the entries of the outboxes to history, exactly once.

Every worker has a recorder. Only one of them leads and records, so that they do not get in each other's way, but
exactly-once does not depend on that: one transaction writes the entries of all cells and moves each outbox's place past
them, and it writes nothing if another recorder has moved a place. Then the recorder trims the outboxes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog

from history import History
from history.write import Move
from ledger.outbox import Item, Outbox
from runtime.repeated_lines import Repeats
from schemas.errors import HistoryUnavailable, RefusedEntries, UnknownEntry
from schemas.reasons import Reason

log = structlog.get_logger()

MOST_ITEMS = 500
"""Items that one transaction writes; an item has one or more entries."""
ENOUGH = 1_000
"""After a transaction of this many entries the next one follows at once."""
GATHER = 0.03
"""Seconds that the recorder waits for more entries after a smaller transaction: a commit to disk costs as much as
dozens of entries, and lists wait for the recorder anyway."""
IDLE_WAIT = 1.25
"""Seconds for which an idle recorder waits for an entry: shorter than the time in which Redis must answer."""
LOOK_EVERY = 5.0
"""Seconds between two checks that history still has what was recorded, and that Redis knows of it: either may come back
with an old copy, or empty, while no entry comes."""
LEAD_FOR = 1.5
"""Seconds for which a recorder that leads does not ask again whether it does: less than half of `LEADER_MS`."""
LEAD_AGAIN = 2.5
"""Seconds between two attempts to become the recorder."""
FINISH_WITHIN = 3.0
"""Seconds in which a stopping worker may record the last entries."""
RETRY_AFTER = 1.0
"""Seconds until the recorder tries again after a failure."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of a recorder, in seconds; see the constants."""

    idle_wait: float = IDLE_WAIT
    look_every: float = LOOK_EVERY
    lead_for: float = LEAD_FOR
    lead_again: float = LEAD_AGAIN
    retry_after: float = RETRY_AFTER


class Recorder:
    """Records the outboxes of all cells while it leads. `owner` is unique among all workers."""

    def __init__(self, outbox: Outbox, history: History, owner: str, pace: Pace | None = None) -> None:
        self._outbox = outbox
        self._history = history
        self._owner = owner
        self._pace = pace or Pace()
        self._repeats = Repeats()
        self._away = False
        self._led_at = float("-inf")

    async def step(self) -> None:
        """Record the entries that wait and those that follow. Return if another recorder leads, if a cell is away, or
        if history was lost.

        Raises `LedgerUnavailable`. If history is away, log that and return after `RETRY_AFTER`.
        """
        ledger = await self._lead()
        if ledger is None:
            await asyncio.sleep(self._pace.lead_again)
            return
        try:
            places = await self._record_what_waits(ledger, self._outbox.cells)
            look_at = time.monotonic() + self._pace.look_every
            while len(places) == len(self._outbox.cells):
                waiting = await self._outbox.wait(places, self._pace.idle_wait)
                if not await self._still_leads(ledger):
                    return
                if time.monotonic() >= look_at:
                    if await self._places(ledger, self._outbox.cells) != places:
                        return
                    if await self._outbox.has_gone_back(places):
                        return
                    look_at = time.monotonic() + self._pace.look_every
                for cell in waiting:
                    del places[cell]
                places |= await self._record_what_waits(ledger, waiting)
        except HistoryUnavailable as error:
            self._log_away(error)
            await asyncio.sleep(self._pace.retry_after)
        except UnknownEntry as error:
            if (times := self._repeats.times(str(error))) is not None:
                log.critical(
                    "outbox_not_readable", error=str(error), times=times,
                    hint="report this line, or start a worker of the version that wrote the entry; nothing is skipped,"
                    " the outbox grows meanwhile",
                )  # fmt: skip
            await asyncio.sleep(self._pace.retry_after)

    async def finish(self) -> None:
        """Record the last changes of this worker, which may be the last one to run, and let another recorder lead at
        once.

        Raises `LedgerUnavailable`. If history is away or takes longer than `FINISH_WITHIN`, the next recorder goes on.
        """
        try:
            async with asyncio.timeout(FINISH_WITHIN):
                ledger = await self._lead()
                if ledger is not None:
                    await self._record_what_waits(ledger, self._outbox.cells)
        except (HistoryUnavailable, RefusedEntries, UnknownEntry, TimeoutError) as error:
            log.warning("outbox_not_recorded", error=str(error), hint="the next recorder goes on with it")
        await self._outbox.resign(self._owner)

    async def _lead(self) -> str | None:
        self._led_at = time.monotonic()
        return await self._outbox.lead(self._owner)

    async def _still_leads(self, ledger: str) -> bool:
        return time.monotonic() < self._led_at + self._pace.lead_for or await self._lead() == ledger

    async def _record_what_waits(self, ledger: str, cells: Collection[int]) -> dict[int, str]:
        """Record until nothing waits in these cells; return the place reached in each. Cells that are away, or whose
        history was lost, are left out. If another recorder leads, the result is empty."""
        if not cells:
            return {}
        places = await self._places(ledger, cells)
        self._log_back()
        items = await self._read(ledger, places)
        reached = {cell: places[cell] for cell in items}
        # A killed recorder may have left items that history already has.
        await self._outbox.trim_all({cell: reached[cell] for cell, some in items.items() if not some})
        while busy := {cell: some for cell, some in items.items() if some}:
            reached |= await self._record(ledger, reached, busy)
            if sum(len(item.entries) for some in busy.values() for item in some) < ENOUGH:
                await asyncio.sleep(GATHER)
            if not await self._still_leads(ledger):
                return {}
            behind = {cell: reached.pop(cell) for cell in busy}
            items = await self._read(ledger, behind)
            reached |= {cell: behind[cell] for cell in items}
        return reached

    async def _read(self, ledger: str, places: Mapping[int, str]) -> dict[int, list[Item]]:
        """The items of these cells after their places. Cells that are away are left out, and so are cells of which
        history had more before: the ledger writes all that it holds of them again."""
        items, lost = await self._outbox.read_checked(places, _share(places))
        for cell in lost:
            await self._go_on_behind(ledger, cell, places[cell])
        return items

    async def _places(self, ledger: str, cells: Collection[int]) -> dict[int, str]:
        """How far history has recorded these cells. Raises `HistoryUnavailable` if it belongs to another ledger."""
        names = {cell: self._outbox.name(ledger, cell) for cell in cells}
        found = await self._history.standing(list(names.values()))
        if found.owner not in (ledger, None):
            raise HistoryUnavailable(Reason.of("history_of_another_ledger", owner=found.owner))
        return {cell: found.places[name] for cell, name in names.items()}

    async def _go_on_behind(self, ledger: str, cell: int, place: str) -> None:
        """Have the ledger write a cell again, as history had more of it before. If another recorder has moved the place
        meanwhile, history was not lost: do nothing."""
        if (await self._places(ledger, [cell]))[cell] == place:
            log.error(
                "history_lost", cell=cell, place=place,
                hint="what the ledger holds is written again; `relay reconcile --rebuild` finds older facts at i'mport",
            )  # fmt: skip
            await self._outbox.rewrite(place, cell)

    async def _record(self, ledger: str, places: Mapping[int, str], items: Mapping[int, list[Item]]) -> dict[int, str]:
        """Write these items in one transaction; return the places that history has reached, by this recorder or
        another.

        Raises `RefusedEntries` with the first item that the database refuses. The items before it in its cell, and
        those of other cells, are written.
        """
        upto = {cell: some[-1].place for cell, some in items.items()}
        moves = [Move(self._outbox.name(ledger, cell), places[cell], place) for cell, place in upto.items()]
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
        """Do the same for each cell by itself, as the database refuses an item of one of them."""
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
