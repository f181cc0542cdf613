"""Do the same work in several processes: replace one that dies, and stop all of them together.

They are forks, so what is imported is in memory once and a replacement starts at once. Whoever forks must have started
no thread, no event loop and no connection.
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

from runtime.signals import STOP_SIGNALS, blocked, handled, ignore
from schemas.errors import BadSetting

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds from a death to the replacement's start: after the first death, and after many in a row."""
STEADY_AFTER = 60.0
"""Seconds of life after which a death is no longer one of a row."""


def pause(deaths: int) -> float:
    """Seconds to wait before a process is replaced that has died this often in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(deaths - 1, 16))


@dataclass(frozen=True, slots=True)
class _Child:
    """A running child. ``report`` is a pipe with the text of the `BadSetting` that ends it; it closes as it ends."""

    pid: int
    report: int
    began: float
    deaths: int
    """How many before it have died in a row."""


class Children:
    """Runs ``work`` in ``count`` processes; the result of ``work`` is the exit status of its process."""

    def __init__(self, work: Callable[[], int], count: int, stop_within: float) -> None:
        self._work = work
        self._stop_within = stop_within
        self._waiting = [(0.0, 0)] * count
        """For each child that does not run: when it starts, and how many before it have died in a row."""
        self._running: list[_Child] = []

    def run(self) -> int:
        """Keep all of them running until SIGTERM or SIGINT, then stop them within ``stop_within`` seconds; 0.

        Raises the first `BadSetting` that ends one of them, once all have ended.
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
        log.error("process_died", pid=child.pid, status=status, replaced_in=pause(deaths))
        self._waiting.append((now + pause(deaths), deaths))

    def _stop(self) -> None:
        """End all: SIGTERM, and SIGKILL to those that have not ended in time."""
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
        """What it refused to work with, if anything, and its exit status: negative for a signal."""
        self._running.remove(child)
        with os.fdopen(child.report, "rb") as report:
            refusal = report.read().decode()
        return refusal, os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])

    def _fork(self, deaths: int) -> _Child:
        reading, writing = os.pipe()
        with blocked(STOP_SIGNALS):  # until the child has handlers of its own, it would wake its parent
            pid = os.fork()
            if pid == 0:
                self._live(writing)
        os.close(writing)
        return _Child(pid, reading, time.monotonic(), deaths)

    def _live(self, report: int) -> NoReturn:
        """The whole life of a child, which must never return into its parent's code."""
        status = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            ignore([signal.SIGINT])  # a terminal's Ctrl-C reaches the parent, too, which stops all
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
    """Stop this process once its parent has gone, however it went: whoever restarts the parent starts new ones."""
    os.read(lives, 1)  # nothing is written to it: it returns when the other end is closed
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(stop_within)
    os.kill(os.getpid(), signal.SIGKILL)
