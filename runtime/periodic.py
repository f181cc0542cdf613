"""Background work: steps that a process repeats as long as it lives, each at its own interval.

Any error of Redis or of history is temporary: it is logged once a minute, and the step is repeated. Any other error is
a bug of ours and ends the process with a critical log line, so that the supervisor starts another process. Otherwise a
process that seems alive but has stopped part of its work would go unnoticed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import structlog

from runtime.repeated_lines import Repeats
from schemas.errors import BadSetting, HistoryUnavailable, LedgerUnavailable

log = structlog.get_logger()

AWAY_PAUSE = 0.1
"""While Redis or history is away: seconds until a step that waits by itself is repeated."""


class Periodic(NamedTuple):
    """A step, and the ``seconds`` between its end and its next start; 0 for a step that waits by itself. With ``once``
    it is repeated only until it succeeds. ``retry`` replaces ``seconds`` while Redis or history is away; 0 does not."""

    name: str
    step: Callable[[], Awaitable[object]]
    seconds: float
    once: bool = False
    retry: float = 0.0


class Background:
    """Runs all tasks side by side. Calls ``on_failure`` when a task ends that should go on."""

    def __init__(self, tasks: Iterable[Periodic], on_failure: Callable[[], object] = lambda: None) -> None:
        self._tasks = tuple(tasks)
        self._on_failure = on_failure
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopped: set[str] = set()
        self._missed: dict[str, set[str]] = {"ledger_away": set(), "history_away": set()}
        """The tasks that have missed each since they succeeded last."""
        self._away_logged: set[str] = set()
        self._repeats = Repeats()
        self.failure: BaseException | None = None
        """The error that ended a task that should go on; the process has to end, too."""

    def start(self) -> None:
        """Start all tasks in the running event loop."""
        for task in self._tasks:
            running = asyncio.create_task(self._repeat(task), name=task.name)
            self._running[task.name] = running
            running.add_done_callback(self._ended)

    def stop(self, *names: str) -> None:
        """End the tasks with these names, or all without names; a step under way is cancelled."""
        for name in names or self._running:
            self._stopped.add(name)
            self._running[name].cancel()

    def status(self) -> int:
        """The exit status of the process: 0, or 1 if a task failed. If a `BadSetting` ended a task, raises it."""
        if isinstance(self.failure, BadSetting):
            raise self.failure
        return 0 if self.failure is None else 1

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run all tasks while the block runs."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    async def _repeat(self, task: Periodic) -> None:
        while True:
            pause = task.seconds
            try:
                await task.step()
            except (LedgerUnavailable, HistoryUnavailable) as error:
                self._log_away(task.name, error)
                pause = task.retry or pause or AWAY_PAUSE
            else:
                self._log_back(task.name)
                if task.once:
                    return
            await asyncio.sleep(pause)

    def _log_away(self, name: str, error: LedgerUnavailable | HistoryUnavailable) -> None:
        away = "ledger_away" if isinstance(error, LedgerUnavailable) else "history_away"
        self._missed[away].add(name)
        if (times := self._repeats.times(str(error))) is not None:
            self._away_logged.add(away)
            log.warning(away, task=name, error=str(error), times=times)

    def _log_back(self, name: str) -> None:
        for away, tasks in self._missed.items():
            tasks.discard(name)
            if not tasks and away in self._away_logged:
                self._away_logged.discard(away)
                log.info("ledger_back" if away == "ledger_away" else "history_back")

    def _ended(self, task: asyncio.Task[None]) -> None:
        name = task.get_name()
        if task.cancelled():
            if name in self._stopped:
                return
            error: BaseException = RuntimeError(f"the background task {name} was cancelled unexpectedly")
        else:
            found = task.exception()
            if found is None:
                return
            error = found
        if not isinstance(error, BadSetting):
            log.critical(
                "background_failed", task=name, error=type(error).__name__, exc_info=error,
                hint="the process exits so that its supervisor restarts it",
            )  # fmt: skip
        if self.failure is None:
            self.failure = error
            self._on_failure()
