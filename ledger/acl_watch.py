"""Whether ledger and queue still let this process work, asked every minute and told in one line of the log."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from ledger.acl import AclProblem, ledger_trouble
from ledger.ledger import Ledger
from ledger.memory import MAKE_ROOM, Memory, memory
from schemas.reasons import english

log = structlog.get_logger()

EVERY = 60.0
SOON = 5.0
"""Seconds for which an answer is good: that all is well, and that something is not."""
PATIENCE = 1.0
"""Seconds for which somebody waits for a newer answer than there is: a queue that hangs must not make pages hang."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What keeps ledger and queue from working, None where nothing does; how full Redis is, where it may be asked."""

    ledger: AclProblem | None
    queue: AclProblem | None
    memory: Memory | None

    @property
    def broken(self) -> AclProblem | None:
        """What keeps this process from working at all."""
        return self.ledger or self.queue

    @property
    def well(self) -> bool:
        """Nothing is wrong."""
        return self.broken is None and self.memory is not None and not self.memory.nearly_full


class AclWatch:
    """Looks at ledger and queue with the rights of this process, ``every`` so many seconds."""

    def __init__(self, ledger: Ledger, every: float = EVERY) -> None:
        self._ledger = ledger
        self._every = every
        self._looking: asyncio.Task[Seen] | None = None
        self._looked = float("-inf")
        self._refused = 0
        self.seen: Seen | None = None
        """What was seen last; None before the first look."""

    async def recent(self) -> Seen:
        """What was seen within a minute, or within seconds where something was wrong or Redis has refused something
        since. Raises `LedgerUnavailable`."""
        is_well = self.seen is not None and self.seen.well and self._ledger.store.refused == self._refused
        good_for = self._every if is_well else SOON
        if self.seen is not None and time.monotonic() - self._looked < good_for:
            return self.seen
        looking = self._look_once()
        await asyncio.wait({looking}, timeout=None if self.seen is None else PATIENCE)
        return looking.result() if self.seen is None or looking.done() else self.seen

    async def tell(self) -> None:
        """Look, and log what is wrong, a line for each matter. Raises `LedgerUnavailable`."""
        seen = await asyncio.shield(self._look_once())
        for found in (seen.ledger, seen.queue):
            if found is not None:
                log.error("queue_unusable" if found.of == "queue" else "ledger_unusable", error=str(found))
        if seen.memory is not None and seen.memory.nearly_full:
            log.error("redis_nearly_full", error=seen.memory.trouble and english(seen.memory.trouble), hint=MAKE_ROOM)

    def _look_once(self) -> asyncio.Task[Seen]:
        """The look that is under way, or a new one."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
            # Whoever asked may have gone; then nobody fetches what went wrong.
            self._looking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._looking

    async def _look(self) -> Seen:
        ledger = await ledger_trouble(self._ledger.store)
        full = await memory(self._ledger.store) if ledger is None else None
        self.seen = Seen(ledger, await self._ledger.queue.trouble(), full)
        self._looked = time.monotonic()
        self._refused = self._ledger.store.refused
        return self.seen
