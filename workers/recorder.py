"""The recorder: writes what the outbox holds to history, exactly once.

Every worker has one, and one of them records at a time, so that they do not get in each other's way; exactly-once does
not depend on it. Entries and the place behind them are written in one transaction, which fails to move a place that
another recorder has moved; the outbox is trimmed after that.
"""

from __future__ import annotations

import asyncio

import structlog

from history import History
from ledger.outbox import HistoryBehind, Item, Outbox
from runtime.repeated_lines import Repeats
from schemas.errors import HistoryUnavailable, RefusedEntries, UnknownEntry

log = structlog.get_logger()

MOST_ITEMS = 500
"""Items that one transaction writes; an item has one to some entries."""
GATHER = 0.03
"""Seconds in which the next transaction gathers entries, unless enough wait already: a commit to disk costs as much as
dozens of entries, and lists wait for the recorder anyway."""
IDLE_WAIT = 1.25
"""Seconds for which an idle recorder waits for an entry before it renews its lead."""
LEAD_AGAIN = 1.5
"""Seconds between two attempts to become the recorder."""
FINISH_WITHIN = 3.0
"""Seconds in which a worker that stops records what is left."""
RETRY_AFTER = 1.0
"""Seconds until history is tried again."""


class Recorder:
    """Records the outbox `name` while it leads. `owner` is unique among all workers."""

    def __init__(self, outbox: Outbox, history: History, owner: str) -> None:
        self._outbox = outbox
        self._history = history
        self._owner = owner
        self._repeats = Repeats()
        self._away = False

    async def step(self) -> None:
        """Record what waits, as long as there is something; return when there is nothing, or another one records.

        Raises `LedgerUnavailable`. While history is away it is tried again; a line in the log says so.
        """
        name = await self._outbox.lead(self._owner)
        if name is None:
            await asyncio.sleep(LEAD_AGAIN)
            return
        try:
            place = await self._record_what_waits(name)
            while place is not None and not await self._outbox.wait(place, IDLE_WAIT):
                if await self._outbox.lead(self._owner) != name:
                    return
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
                name = await self._outbox.lead(self._owner)
                if name is not None:
                    await self._record_what_waits(name)
        except (HistoryUnavailable, RefusedEntries, UnknownEntry, TimeoutError) as error:
            log.warning("outbox_not_recorded", error=str(error), hint="the next recorder goes on with it")
        await self._outbox.resign(self._owner)

    async def _record_what_waits(self, name: str) -> str | None:
        """Record until nothing waits; the place that is reached, None where another records or history was lost."""
        place = await self._history.place(name)
        self._log_back()
        try:
            items = await self._outbox.read_checked(place, MOST_ITEMS)
        except HistoryBehind:
            await self._go_on_behind(name, place)
            return None
        while items:
            place = await self._record(name, place, items)
            if len(items) < MOST_ITEMS:
                await asyncio.sleep(GATHER)
            if await self._outbox.lead(self._owner) != name:
                return None
            items = await self._outbox.read(place, MOST_ITEMS)
        await self._outbox.trim(place)
        return place

    async def _go_on_behind(self, name: str, place: str) -> None:
        """History had more before than it has now, unless another recorder has moved its place meanwhile."""
        if await self._history.place(name) == place:
            log.error(
                "history_lost", place=place,
                hint="what the ledger holds is written again; `relay reconcile --rebuild` finds older facts at i'mport",
            )  # fmt: skip
            await self._outbox.rewrite(place)

    async def _record(self, name: str, place: str, items: list[Item]) -> str:
        """Write these items; return the place that history has reached, by this recorder or another.

        Raises `RefusedEntries` with the first item that the database refuses; those before it are written.
        """
        upto = items[-1].place
        entries = (entry for item in items for entry in item.entries)
        try:
            if not await self._history.record(name, after=place, upto=upto, entries=entries):
                return await self._history.place(name)
        except RefusedEntries:
            if len(items) == 1:
                raise
            half = len(items) // 2
            return await self._record(name, await self._record(name, place, items[:half]), items[half:])
        await self._outbox.trim(upto)
        return upto

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
