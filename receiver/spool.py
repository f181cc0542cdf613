"""The spool: where notifications wait on this machine's disk while Redis cannot take them.

Notifications that wait at the same time share one transaction, so one sync acknowledges many. Each process writes into
its own file, `spool-0.sqlite` or the next free one, and also drains the files of processes that have ended. A row is
removed only after the ledger has it. After a crash in between, the ledger gets it twice and recognizes its id.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import structlog

from receiver import spool_codec
from receiver.interfaces import Accept
from receiver.spool_drain import SpoolDrain
from receiver.spool_file import Row, SpoolFile
from receiver.spool_thread import SpoolThread
from schemas.errors import BudgetSpent, SpoolUnavailable
from schemas.payments.notification import Notification
from schemas.reasons import Reason

WRITE_BATCH = 2000
MOST_WAITING = 20_000
"""Requests that may wait for the disk at one time."""
SLOWEST_WRITE = 5.0
"""Seconds after which a disk counts as unavailable. A write that succeeds later does no harm."""
MAX_BYTES = 4 << 30
LOOK_FOR_ORPHANS = 2.0
REOPEN = 1.0

log = structlog.get_logger()


class FileSpool:
    """A spool in a folder. The folder is made when it is first needed."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._thread = SpoolThread()
        self._own: SpoolFile | None = None
        self._opening_failed: tuple[float, SpoolUnavailable] | None = None
        self._pending: list[tuple[Row, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._drain = SpoolDrain(self._thread)
        self._orphans_seen = float("-inf")

    @property
    def waiting(self) -> int:
        """Notifications in this process's file."""
        return self._own.count if self._own is not None else 0

    async def accept(self, notification: Notification, /, *, budget: str | None = None) -> None:
        """Store a notification; returns when it is on disk. Raises `SpoolUnavailable`.

        `budget` is for a notification whose merchant is not known: the source that it counts for (see
        `spool_budget.py`). Raises `BudgetSpent` beyond the budget.
        """
        row = Row(spool_codec.encode(notification), budget)
        if budget is not None and not self._has_room(budget, len(row.data)):
            # Decided without the disk: a flood of webhooks must not make others wait for it.
            raise BudgetSpent
        if len(self._pending) >= MOST_WAITING:
            raise SpoolUnavailable(Reason.of("spool_overloaded"))
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((row, written))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name="spool-writer")
        try:
            async with asyncio.timeout(SLOWEST_WRITE):
                await written
        except TimeoutError:
            raise SpoolUnavailable(Reason.of("spool_timed_out")) from None

    async def drain(self, accept: Accept, /, *, keep: bool = False) -> int:
        """Pass waiting rows to `accept`, oldest first, also those of ended processes; return how many it took.

        With `keep` each row is passed once and stays, because Redis may still lose it. A row for which `accept` raises
        `Postponed` stays, holds up no other row, and is passed again next time. If `accept` raises another error, the
        rows that it took are removed before the error is raised. Raises `SpoolUnavailable`.
        """
        own = await self._thread.run(self._open)
        taken = await self._drain.drain(own, accept, keep=keep)
        if taken and not own.count and not own.closed:
            await self._drain.shrink(own)
        now = time.monotonic()
        if now - self._orphans_seen >= LOOK_FOR_ORPHANS:
            paths = await self._thread.run(self._files)
            self._drain.forget_others(paths)
            for path in paths:
                if path != own.path:
                    taken += await self._drain_orphan(path, accept, keep)
            self._orphans_seen = now
        return taken

    async def trouble(self) -> Reason | None:
        """Why nothing could be stored now; None when it could."""
        try:
            async with asyncio.timeout(SLOWEST_WRITE):
                await self._thread.run(lambda: self._open().probe())
        except SpoolUnavailable as error:
            return error.reason
        except TimeoutError:
            return Reason.of("spool_timed_out")
        return None

    async def close(self) -> None:
        """Finish what is being written and release the folder."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=SLOWEST_WRITE)
        if self._own is not None:
            await self._thread.run(self._own.close)
            self._own = None
        self._thread.close()

    def _has_room(self, budget: str, size: int) -> bool:
        """Whether the budget may have room. Only an open file counts: a closed one may be gone with its rows."""
        return self._own is None or self._own.closed or self._own.budget.has_room(budget, size)

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending[:WRITE_BATCH], self._pending[WRITE_BATCH:]
            outcomes: list[SpoolUnavailable | None]
            try:
                kept = await self._thread.run(self._append, [row for row, _ in batch])
                outcomes = [None if is_kept else BudgetSpent() for is_kept in kept]
            except SpoolUnavailable as error:
                outcomes = [error] * len(batch)
            except Exception as error:
                # A bug of ours: the callers get an error instead of waiting for ever, and the next batch is written.
                log.exception("spool_failed")
                broke = SpoolUnavailable(Reason.of("spool_failed", error_type=type(error).__name__))
                outcomes = [broke] * len(batch)
            for (_, written), failure in zip(batch, outcomes, strict=True):
                if written.done():
                    continue
                if failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(failure)

    def _append(self, batch: list[Row]) -> list[bool]:
        return self._open().append(batch)

    def _open(self) -> SpoolFile:
        """This process's file; called in the thread. A failure holds for `REOPEN` seconds, so that a flood of webhooks
        does not check a damaged file over and over."""
        if self._own is not None and not self._own.closed:
            return self._own
        now = time.monotonic()
        if self._opening_failed is not None and now - self._opening_failed[0] < REOPEN:
            raise self._opening_failed[1]
        self._drain.forget()
        try:
            self._own = self._take()
        except SpoolUnavailable as error:
            self._opening_failed = (now, error)
            raise
        return self._own

    def _take(self) -> SpoolFile:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SpoolUnavailable(Reason.of("spool_folder_unusable", error=error.strerror)) from error
        number = 0
        while (file := SpoolFile.take(self._folder / f"spool-{number}.sqlite", self._max_bytes)) is None:
            number += 1
        return file

    def _files(self) -> list[Path]:
        try:
            return sorted(self._folder.glob("spool-*.sqlite"))
        except OSError as error:
            raise SpoolUnavailable(Reason.of("spool_folder_unusable", error=error.strerror)) from error

    async def _drain_orphan(self, path: Path, accept: Accept, keep: bool) -> int:
        try:
            file = await self._thread.run(SpoolFile.take, path, self._max_bytes)
        except SpoolUnavailable as error:
            log.error("spool_file_unusable", file=path.name, reason=str(error))
            return 0
        if file is None:
            self._drain.forget_file(path)
            return 0
        try:
            taken = await self._drain.drain(file, accept, keep=keep)
            if not file.closed:
                await self._thread.run(file.leave)
            return taken
        finally:
            await self._thread.run(file.close)
