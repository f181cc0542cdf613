"""Draining: the rows of a spool's file are passed to the ledger, and removed once it has them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

import structlog

from receiver import spool_codec
from receiver.interfaces import Accept, Postponed
from receiver.spool_file import SpoolFile
from receiver.spool_thread import SpoolThread
from schemas.errors import SpoolUnavailable
from schemas.payments.notification import Notification

BATCH = 500

log = structlog.get_logger()


class SpoolDrain:
    """Drains a spool's files, this process's own and those of processes that have ended."""

    def __init__(self, thread: SpoolThread) -> None:
        self._thread = thread
        self._passed: dict[Path, int] = {}
        """The last row of each file that was passed to a Redis that may lose it. Another file may have taken the same
        name since, so no row may be removed because of this."""

    def forget(self) -> None:
        """Pass all rows again to a Redis that may lose them: a new file may have the name of an old one."""
        self._passed.clear()

    def forget_file(self, path: Path) -> None:
        """Do so for the file of this name: its process may remove it, and another make a new one."""
        self._passed.pop(path, None)

    def forget_others(self, paths: Collection[Path]) -> None:
        """Do so for all files but these."""
        self._passed = {path: after for path, after in self._passed.items() if path in paths}

    async def drain(self, file: SpoolFile, accept: Accept, *, keep: bool) -> int:
        """Pass the rows of a file to `accept`, as `FileSpool.drain` says; return how many it took."""
        taken = 0
        is_complete = True
        if not keep:
            self._passed.pop(file.path, None)
        await self._set_aside(file)
        after = self._passed.get(file.path, 0) if keep else file.unremoved
        while file.count and (batch := await self._thread.run(file.read, after, BATCH)):
            after = batch[-1][0]
            done, postponed, failure = await self._give(file, batch, accept)
            taken += len(done)
            is_complete = is_complete and not postponed
            is_removed = keep or await self._remove(file, done)
            if failure is not None:
                raise failure
            if keep:
                self._passed[file.path] = after
            elif not is_removed and is_complete:  # a postponed row must not be skipped and removed with its file
                file.unremoved = after
        if not keep and is_complete and not file.unreadable and (last := file.unremoved):
            file.unremoved = 0
            await self._thread.run(file.discard, last)
        return taken

    async def shrink(self, file: SpoolFile) -> None:
        """Shrink an emptied file; if the disk has no room for that, remove the file."""
        try:
            await self._thread.run(file.shrink)
        except SpoolUnavailable:
            if file.closed:
                raise
            await self._thread.run(file.discard, 0)

    async def _set_aside(self, file: SpoolFile, found: Sequence[int] = ()) -> None:
        """Set unreadable rows aside: those in `found` and those found before. If the file is sound but cannot be
        written, as on a full disk, they stay for the next drain and hold up no other row."""
        file.unreadable.update(found)
        for position in sorted(file.unreadable):
            try:
                await self._thread.run(file.set_aside, position)
            except SpoolUnavailable as error:
                if file.closed:
                    raise
                if found:
                    log.warning("unreadable_rows_not_set_aside", file=file.path.name, reason=str(error))
                return

    async def _remove(self, file: SpoolFile, done: list[int]) -> bool:
        """Remove rows that the ledger has. Return False if the file is sound but cannot be written, as on a full disk:
        then draining skips these rows, and removes the file when the ledger has all of it."""
        try:
            await self._thread.run(file.remove, done)
        except SpoolUnavailable as error:
            if file.closed:
                raise
            if not file.unremoved:
                log.warning("spooled_rows_not_removed", file=file.path.name, reason=str(error))
            return False
        return True

    async def _give(
        self, file: SpoolFile, batch: list[tuple[int, bytes]], accept: Accept
    ) -> tuple[list[int], int, BaseException | None]:
        """Pass a batch to `accept`, all at once and in order, so that the ledger can take it in one round trip. Return
        the positions that it took, how many it postponed, and the first error."""
        readable: list[tuple[int, Notification]] = []
        unreadable: list[int] = []
        for position, row in batch:
            try:
                readable.append((position, spool_codec.decode(row)))
            except ValueError as error:
                if position not in file.unreadable:
                    log.error("spooled_row_unreadable", file=file.path.name, position=position, reason=str(error))
                    unreadable.append(position)
        if unreadable:
            await self._set_aside(file, unreadable)
        answers = await asyncio.gather(*(accept(row) for _, row in readable), return_exceptions=True)
        done = [position for (position, _), answer in zip(readable, answers, strict=True) if answer is None]
        postponed = sum(isinstance(answer, Postponed) for answer in answers)
        failures = (answer for answer in answers if answer is not None and not isinstance(answer, Postponed))
        return done, postponed, next(failures, None)
