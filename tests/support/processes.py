"""The project's real processes, as the Procfile runs them, for tests that need the whole.

Each runs in a session of its own, so that ending it ends its children too; the `processes` fixture ends
whatever a test leaves running.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.support.waiting import PATIENCE, until
from tests.support.warm_python import WarmProcess, is_served

ROOT = Path(__file__).resolve().parents[2]
RELAY = 'import sys; sys.argv[0] = "relay"; from cli.start import main; main()'
"""What `python -c` runs to do what the installed command does."""
_OURS = ("RELAY_", "IMP_", "REDIS_")


class Process:
    """One running process and everything it has printed."""

    def __init__(self, name: str, command: list[str], environ: Mapping[str, str], directory: Path) -> None:
        self.name = name
        self.lines: list[str] = []
        self._entries: list[dict[str, Any]] = []
        self._process = _start(command, environ, directory)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self.lines.append(line.rstrip("\n"))
                with suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        self._entries.append(entry)

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All it has printed so far."""
        return "\n".join(self.lines)

    def logs(self, event: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """The log lines so far, those of this event and with these fields where asked for."""
        found = [entry for entry in list(self._entries) if event is None or entry.get("event") == event]
        return [entry for entry in found if fields.items() <= entry.items()]

    async def logged(self, event: str, **fields: Any) -> dict[str, Any]:
        """Wait for a log line of this event with these fields; its fields."""
        found: list[dict[str, Any]] = await self._until(lambda: self.logs(event, **fields), f"logs {event} {fields}")
        return found[0]

    async def printed(self, text: str, within: float = PATIENCE) -> None:
        """Wait until it has printed this somewhere."""
        await self._until(lambda: text in self.output, f"prints {text!r}", within)

    async def listening(self, port: int) -> None:
        """Wait until something accepts connections on this port of loopback."""
        await self._until(lambda: _accepts(port), f"listens on {port}")

    async def ready(self, url: str) -> None:
        """Wait until this URL answers 200, e.g. `http://127.0.0.1:8000/readyz`."""
        await self._until(lambda: asyncio.to_thread(_ok, url), f"answers 200 at {url}")

    async def ended(self, within: float = PATIENCE) -> int:
        """Wait until it ends by itself; its exit status."""
        await until(lambda: not self.running, lambda: f"{self.name} ends:\n{self.output[-4000:]}", within)
        self._reader.join(PATIENCE)
        return self._process.wait()

    async def terminate(self) -> int:
        """SIGTERM, as a supervisor does; its exit status."""
        self.signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """SIGKILL to it and its children, in the middle of whatever they do."""
        self.clean_up()
        await self.ended()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process alone."""
        self._process.send_signal(number)

    def clean_up(self) -> None:
        """End whatever is left of its group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)

    async def _until(self, holds: Callable[[], Any], what: str, within: float = PATIENCE) -> Any:
        async def happens() -> Any:
            ended = not self.running
            if ended:
                self._reader.join(PATIENCE)
            value = holds()
            value = await value if asyncio.iscoroutine(value) else value
            assert value or not ended, f"{self.name} ended before it {what}:\n{self.output[-4000:]}"
            return value

        return await until(happens, lambda: f"{self.name} {what}:\n{self.output[-4000:]}", within)


class Processes:
    """Starts processes in one directory with one environment, and ends all of them."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self.directory = directory
        self._environ = environ
        self._started: list[Process] = []

    def python(self, module: str, *arguments: str, **environ: str) -> Process:
        """Start `python -m module arguments…` with these variables on top of the common ones."""
        return self.run(module, [sys.executable, "-m", module, *arguments], **environ)

    def run(self, name: str, command: list[str], **environ: str) -> Process:
        """Start any command, under a name for error messages."""
        process = Process(name, command, {**self._environ, **environ}, self.directory)
        self._started.append(process)
        return process

    def end(self) -> None:
        """End whatever still runs; called by the fixture."""
        for process in reversed(self._started):
            process.clean_up()


def run_to_its_end(command: list[str], within: float, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """What a command printed, and its status. After so many seconds it is killed with all that it has started.

    Raises `subprocess.TimeoutExpired`.
    """
    process = subprocess.Popen(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=within)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, errors)


def _start(command: list[str], environ: Mapping[str, str], directory: Path) -> subprocess.Popen[str] | WarmProcess:
    """A Python program comes from a server that has imported the project, unless its path says
    to import other code, which no server has imported."""
    if command[0] == sys.executable and command[1] in ("-m", "-c") and is_served(environ):
        return WarmProcess(command[1:], environ, directory)
    return subprocess.Popen(
        command, env=environ, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip


def clean_environ() -> dict[str, str]:
    """This process's environment without any setting of the relay but one: a worker is one process, whose end a test
    can see. The project is importable."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_OURS) and k not in ("HOST", "PORT")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "RELAY_WORKERS": "1"}


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _ok(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310  # a URL of loopback, from a test
            return bool(answer.status == 200)
    except (OSError, HTTPException):
        return False
