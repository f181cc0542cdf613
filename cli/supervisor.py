"""Runs the processes of `relay up`: starts them, reads their output, restarts those that die, and stops all of them
together."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio import StreamReader, StreamReaderProtocol
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process, create_subprocess_exec
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cli.failure import CommandFailed

STOP_TIMEOUT = 6.0
"""Seconds from SIGTERM to SIGKILL. Redis is stopped after the others; stopping takes ten seconds at most."""
MAX_DEATHS = 3
DEATHS_WINDOW = 60.0
"""A child that dies `MAX_DEATHS` times within this many seconds is not restarted again."""


class ChildDied(CommandFailed):
    """A child cannot be kept running; the text has its name and its last line of output."""


@dataclass(slots=True)
class Child:
    """One process: how to start it, and its state."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    last: bool = False
    """Whether it is stopped after the others, because they need it until they have ended."""
    process: Process | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_DEATHS))
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    ready_text: str | None = None
    """A text in its output that shows that it is ready, for a process that answers no requests."""
    up: bool = False
    """Whether it has been ready: a process that dies before that stops everything."""


class Supervisor:
    """All children. `on_line(name, text)` gets every line that they print, `on_death(name, status)` every death."""

    def __init__(
        self, logs: Path, lock: int, on_line: Callable[[str, str], None], on_death: Callable[[str, int], None]
    ) -> None:
        self._logs = logs
        self._lock = lock
        self._on_line = on_line
        self._on_death = on_death
        self._children: list[Child] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._reaper: Process | None = None
        self._ending = asyncio.Event()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails with `ChildDied` when a child cannot be kept running."""

    async def start(self, child: Child) -> None:
        """Starts a child and keeps it running. It is not restarted until the caller has set its `up`."""
        if self._reaper is None:
            self._reaper = await create_subprocess_exec(
                *(sys.executable, "-m", "cli.reaper"), stdin=PIPE, pass_fds=(self._lock,), start_new_session=True
            )
        self._children.append(child)
        self._watchers.append(asyncio.create_task(self._keep_running(child, *await self._launch(child))))

    async def end(self) -> None:
        """Stops all children, those marked `last` after the others; kills those that do not stop in time."""
        self._ending.set()
        for last in (False, True):
            await asyncio.gather(*(self._stop(child) for child in self._children if child.last is last))
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.close()
            await self._reaper.wait()

    def kill(self) -> None:
        """Kills all children at once."""
        for child in self._children:
            self._signal(child, signal.SIGKILL)

    async def _launch(self, child: Child) -> tuple[Process, StreamReader]:
        """Starts the child's process. Returns it and its output, which is a pipe of our own: with asyncio's pipe,
        `wait` would last until the pipe closes."""
        reading, writing = os.pipe()
        output = StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: StreamReaderProtocol(output), os.fdopen(reading, "rb", 0)
        )
        try:
            process = await create_subprocess_exec(
                *child.command, env=child.environ, stdin=DEVNULL, stdout=writing, stderr=STDOUT, start_new_session=True
            )
        finally:
            os.close(writing)
        child.process = process
        self._notify_reaper(f"+{process.pid}\n")
        return process, output

    async def _keep_running(self, child: Child, process: Process, output: StreamReader) -> None:
        while True:
            reading = asyncio.create_task(self._read(child, output))
            status = await process.wait()
            self._signal(child, signal.SIGKILL)  # processes that it left behind would keep its output open
            await reading
            self._notify_reaper(f"-{process.pid}\n")
            if self._ending.is_set():
                return
            child.deaths.append(time.monotonic())
            dies_often = len(child.deaths) == MAX_DEATHS and child.deaths[-1] - child.deaths[0] < DEATHS_WINDOW
            if dies_often or not child.up:
                self._give_up(child, status)
                return
            self._on_death(child.name, status)
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await self._ending.wait()
            if self._ending.is_set():
                return
            process, output = await self._launch(child)

    def _give_up(self, child: Child, status: int) -> None:
        last_line = next((line for line in reversed(child.last_lines) if line.strip()), "it printed nothing")
        if not self.failed.done():
            self.failed.set_exception(ChildDied(f"{child.name} ended with status {status}: {last_line}"))

    async def _read(self, child: Child, output: StreamReader) -> None:
        """Passes on every line, however long, and writes it to the log file."""
        rest = b""
        with (self._logs / f"{child.name}.log").open("ab", buffering=0) as log:
            while chunk := await output.read(1 << 16):
                log.write(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace")
                    child.last_lines.append(text)
                    child.up = child.up or (child.ready_text is not None and child.ready_text in text)
                    self._on_line(child.name, text)

    async def _stop(self, child: Child) -> None:
        if child.process is None or child.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            child.process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT):
                await child.process.wait()
        self._signal(child, signal.SIGKILL)

    def _signal(self, child: Child, number: signal.Signals) -> None:
        if child.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, number)

    def _notify_reaper(self, line: str) -> None:
        if self._reaper is not None and self._reaper.stdin is not None:
            self._reaper.stdin.write(line.encode())
