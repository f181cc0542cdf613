"""The processes under `relay up`: started, read line by line, started again when they die, ended together."""

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

from schemas.errors import RelayError

GRACE = 6.0
"""Seconds that a child has after SIGTERM; with Redis after the others all is over within ten."""
DEATHS = 3
WITHIN = 60.0
"""So many deaths of one child within so many seconds mean that starting it again does not help."""


class ChildDied(RelayError):
    """A child cannot be kept running; the text has its name and last words."""


@dataclass(slots=True)
class Child:
    """One process: how to start it, and how it fares."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    last: bool = False
    """Whether it is ended after the others, which need it until they are through."""
    process: Process | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=DEATHS))
    last_words: deque[str] = field(default_factory=lambda: deque(maxlen=5))
    announces: str | None = None
    """A word in its output that tells that it works, where asking it is no way to find out."""
    up: bool = False
    """Whether it has been seen working: dying before that stops everything at once."""


class Supervisor:
    """All of them. `on_line(name, text)` gets every line they print, `on_death(name, status)` every death."""

    def __init__(
        self, logs: Path, lock: int, on_line: Callable[[str, str], None], on_death: Callable[[str, int], None]
    ) -> None:
        self._logs = logs
        self._lock = lock
        self._on_line = on_line
        self._on_death = on_death
        self._children: list[Child] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._guard: Process | None = None
        self._ending = asyncio.Event()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Gets a `ChildDied` when a child cannot be kept running."""

    async def start(self, child: Child) -> None:
        """Start it and keep it running. A child whose `up` the caller never sets is not started again."""
        if self._guard is None:
            self._guard = await create_subprocess_exec(
                *(sys.executable, "-m", "cli.reaper"), stdin=PIPE, pass_fds=(self._lock,), start_new_session=True
            )
        self._children.append(child)
        self._watchers.append(asyncio.create_task(self._keep(child, *await self._launch(child))))

    async def end(self) -> None:
        """Ask all to stop, those marked `last` after the others; kill what does not; nothing is left."""
        self._ending.set()
        for last in (False, True):
            await asyncio.gather(*(self._stop(child) for child in self._children if child.last is last))
        await asyncio.gather(*self._watchers, return_exceptions=True)
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            await self._guard.wait()

    def kill(self) -> None:
        """End all of them now, for somebody who does not want to wait."""
        for child in self._children:
            self._signal(child, signal.SIGKILL)

    async def _launch(self, child: Child) -> tuple[Process, StreamReader]:
        """Its process and output. The pipe is ours: asyncio's own would put the news of a death off until it closes."""
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
        self._tell_guard(f"+{process.pid}\n")
        return process, output

    async def _keep(self, child: Child, process: Process, output: StreamReader) -> None:
        while True:
            reading = asyncio.create_task(self._read(child, output))
            status = await process.wait()
            self._signal(child, signal.SIGKILL)  # children of its own that it left behind hold its output open
            await reading
            self._tell_guard(f"-{process.pid}\n")
            if self._ending.is_set():
                return
            child.deaths.append(time.monotonic())
            hopeless = len(child.deaths) == DEATHS and child.deaths[-1] - child.deaths[0] < WITHIN
            if hopeless or not child.up:
                self._give_up(child, status)
                return
            self._on_death(child.name, status)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), 0.5)
            if self._ending.is_set():
                return
            process, output = await self._launch(child)

    def _give_up(self, child: Child, status: int) -> None:
        words = next((line for line in reversed(child.last_words) if line.strip()), "it said nothing")
        if not self.failed.done():
            self.failed.set_exception(ChildDied(f"{child.name} ended with status {status}: {words}"))

    async def _read(self, child: Child, output: StreamReader) -> None:
        """Pass on every line, however long; keep all of them in a file."""
        rest = b""
        with (self._logs / f"{child.name}.log").open("ab", buffering=0) as log:
            while chunk := await output.read(1 << 16):
                log.write(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    text = line.decode(errors="replace")
                    child.last_words.append(text)
                    child.up = child.up or (child.announces is not None and child.announces in text)
                    self._on_line(child.name, text)

    async def _stop(self, child: Child) -> None:
        if child.process is None or child.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            child.process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(child.process.wait(), GRACE)
        self._signal(child, signal.SIGKILL)

    def _signal(self, child: Child, number: signal.Signals) -> None:
        if child.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, number)

    def _tell_guard(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.write(line.encode())
