"""Do the same work in several processes: replace one that dies, and stop all of them together.

The processes are forks: they share the memory of imported modules, and a replacement starts at once. The parent must
not have started a thread, an event loop or a connection before it forks.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from runtime.service_manager import notify_stopping
from runtime.signals import STOP_SIGNALS, blocked, handled, ignore
from schemas.errors import BadSetting

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds from a death to the start of the replacement: after the first death, and after many in a row."""
STEADY_AFTER = 60.0
"""Seconds of life after which a death starts a new row."""


def pause(deaths: int) -> float:
    """Seconds to wait before replacing a process after this many deaths in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(deaths - 1, 16))


@dataclass(frozen=True, slots=True)
class _Child:
    """A running child. It writes the text of a `BadSetting` that ends it to the pipe ``report``, which closes when the
    child ends."""

    pid: int
    report: int
    began: float
    deaths: int
    """The deaths in a row before this child."""


class Children:
    """Runs ``work`` in ``count`` processes; the result of ``work`` is the exit status of its process. ``pause_after``
    gives the seconds to wait before replacing a process, by its deaths in a row."""

    def __init__(
        self, work: Callable[[], int], count: int, stop_within: float, pause_after: Callable[[int], float] = pause
    ) -> None:
        self._work = work
        self._stop_within = stop_within
        self._pause_after = pause_after
        self._waiting = [(0.0, 0)] * count
        """For each child that is not running: when to start it, and the deaths in a row before it."""
        self._running: list[_Child] = []

    def run(self) -> int:
        """Keep all children running until SIGTERM or SIGINT, then stop them within ``stop_within`` seconds. Returns 0.

        If a `BadSetting` ends a child, stops all and raises it.
        """
        woken, wake = os.pipe()
        self._lifeline = os.pipe()
        log.info("processes_starting", count=len(self._waiting))
        try:
            with handled(lambda: os.write(wake, b".")):
                try:
                    self._keep_running(woken)
                finally:
                    self._stop()
        finally:
            for end in (woken, wake, *self._lifeline):
                os.close(end)
        log.info("processes_stopped")
        return 0

    def _keep_running(self, woken: int) -> None:
        while True:
            now = time.monotonic()
            for when, deaths in [each for each in self._waiting if each[0] <= now]:
                self._waiting.remove((when, deaths))
                self._running.append(self._fork(deaths))
            soonest = min((when for when, _ in self._waiting), default=None)
            ready = self._wait(woken, timeout=None if soonest is None else max(0.0, soonest - now))
            if woken in ready:
                return
            for child in [child for child in self._running if child.report in ready]:
                self._replace(child)

    def _replace(self, child: _Child) -> None:
        refusal, status = self._reap(child)
        if refusal:
            raise BadSetting(refusal)
        now = time.monotonic()
        deaths = 1 if now - child.began >= STEADY_AFTER else child.deaths + 1
        log.error("process_died", pid=child.pid, status=status, replaced_in=self._pause_after(deaths))
        self._waiting.append((now + self._pause_after(deaths), deaths))

    def _stop(self) -> None:
        """End all children: SIGTERM, then SIGKILL to those that have not ended in time."""
        notify_stopping()
        ends = time.monotonic() + self._stop_within
        for child in self._running:
            os.kill(child.pid, signal.SIGTERM)
        while self._running and (left := ends - time.monotonic()) > 0:
            ready = self._wait(timeout=left)
            for child in [child for child in self._running if child.report in ready]:
                self._reap(child)
        for child in list(self._running):
            log.error("process_killed", pid=child.pid, hint="it did not stop in time")
            os.kill(child.pid, signal.SIGKILL)
            self._reap(child)

    def _wait(self, *others: int, timeout: float | None) -> list[int]:
        return select.select([*others, *(child.report for child in self._running)], [], [], timeout)[0]

    def _reap(self, child: _Child) -> tuple[str, int]:
        """The text of the child's `BadSetting`, if there was one, and its exit status: negative for a signal."""
        self._running.remove(child)
        with os.fdopen(child.report, "rb") as report:
            refusal = report.read().decode()
        return refusal, os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])

    def _fork(self, deaths: int) -> _Child:
        reading, writing = os.pipe()
        with blocked(STOP_SIGNALS):  # a signal to the child would wake its parent until it has handlers of its own
            pid = os.fork()
            if pid == 0:
                self._live(writing)
        os.close(writing)
        return _Child(pid, reading, time.monotonic(), deaths)

    def _live(self, report: int) -> NoReturn:
        """The whole life of a child. It never returns, as it would go on with its parent's code."""
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            ignore([signal.SIGINT])  # Ctrl-C in a terminal reaches the parent, too, and the parent stops all children
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
            lives, end = self._lifeline
            os.close(end)
            threading.Thread(target=_end_with_parent, args=(lives, self._stop_within), daemon=True).start()
            status = self._work()
        except BadSetting as error:
            os.write(report, str(error).encode())
        except Exception:
            log.exception("process_failed")
        finally:
            os._exit(status)


def _end_with_parent(lives: int, stop_within: float) -> None:
    """Stop this process once its parent is gone, even if it was killed: a restarted parent starts its own children."""
    os.read(lives, 1)  # the parent never writes: this returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(stop_within)
    os.kill(os.getpid(), signal.SIGKILL)
