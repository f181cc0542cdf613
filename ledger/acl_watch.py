"""Check every minute whether this process may still use ledger and queue; log each problem in one line."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import structlog

from ledger.acl import AclProblem, ledger_problem
from ledger.cells import Cells
from ledger.memory import Memory, memory
from ledger.queue import Queue
from schemas.reasons import english
from schemas.reasons.english_words import FREE_MEMORY

log = structlog.get_logger()

EVERY = 60.0
SOON = 5.0
"""Seconds for which a result is reused: the first if everything works, the second if something does not."""
PATIENCE = 1.0
"""Seconds that a caller waits for a newer result: a queue that hangs must not make pages hang."""


@dataclass(frozen=True, slots=True)
class RedisStatus:
    """What keeps ledger and queue from working, None if nothing does; how full Redis is, if that may be read."""

    ledger: AclProblem | None
    queue: AclProblem | None
    memory: Memory | None

    @property
    def broken(self) -> AclProblem | None:
        """What keeps this process from working at all."""
        return self.ledger or self.queue

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return self.broken is None and self.memory is not None and not self.memory.nearly_full


class AclWatch:
    """Checks ledger and queue with the rights of this process; a result is reused for ``every`` seconds."""

    def __init__(self, cells: Cells, queue: Queue, every: float = EVERY) -> None:
        self._cells, self._queue = cells, queue
        self._every = every
        self._checking: asyncio.Task[RedisStatus] | None = None
        self._checked_at = float("-inf")
        self._refused = 0
        self.seen: RedisStatus | None = None
        """The last result; None before the first check has ended."""

    async def recent(self) -> RedisStatus:
        """A result of the last minute, or of the last seconds if something was wrong or Redis has refused something
        since. Raises `LedgerUnavailable`."""
        is_well = self.seen is not None and self.seen.well and self._cells.scripting.refused == self._refused
        good_for = self._every if is_well else SOON
        if self.seen is not None and time.monotonic() - self._checked_at < good_for:
            return self.seen
        checking = self._check_once()
        await asyncio.wait({checking}, timeout=None if self.seen is None else PATIENCE)
        return checking.result() if self.seen is None or checking.done() else self.seen

    async def log_problems(self) -> None:
        """Check, and log a line for each problem. Raises `LedgerUnavailable`."""
        status = await asyncio.shield(self._check_once())
        for problem in (status.ledger, status.queue):
            if problem is not None:
                log.error("queue_unusable" if problem.of == "queue" else "ledger_unusable", error=str(problem))
        if status.memory is not None and status.memory.trouble is not None:
            log.error("redis_nearly_full", error=english(status.memory.trouble), hint=FREE_MEMORY)

    def _check_once(self) -> asyncio.Task[RedisStatus]:
        """The check that is under way, or a new one."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check())
            # The caller may have been cancelled; asyncio warns of an exception that is never retrieved.
            self._checking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._checking

    async def _check(self) -> RedisStatus:
        ledger = await ledger_problem(self._cells)
        full = await memory(self._cells) if ledger is None else None
        self.seen = RedisStatus(ledger, await self._queue.problem(), full)
        self._checked_at = time.monotonic()
        self._refused = self._cells.scripting.refused
        return self.seen
