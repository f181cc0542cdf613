"""What a benchmark runs on: a durable Redis and processes of its own, in a folder that goes away."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
import redis

from cli.embedded import answers, arguments, find_server

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0
"""Seconds after which something that should happen counts as not happening."""

_OURS = ("RELAY_", "IMP_", "REDIS_", "PEER_")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait until this holds. Raises `TimeoutError`."""
    ends = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(0.02)


class Process:
    """A running process; what it prints goes to a file."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], output: Path) -> None:
        self.output = output
        with output.open("wb") as file:
            # A session of its own, so that its children can be ended with it.
            self._process = subprocess.Popen(
                command,
                env=environ,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id, which is its group's too."""
        return self._process.pid

    def has_printed(self, text: str) -> bool:
        """Whether it has printed this. Raises `RuntimeError` when it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"a process ended too soon:\n{self.output.read_text(errors='replace')[-2000:]}")
        return text in self.output.read_text(errors="replace")

    def usage(self) -> tuple[float, int]:
        """Seconds of CPU that it and its children have used, and the bytes that are resident."""
        whole = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        times = [one.cpu_times() for one in whole]
        return sum(each.user + each.system for each in times), sum(one.memory_info().rss for one in whole)

    def end(self) -> None:
        """Kill it and its children: nothing here is worth waiting for."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)


class Machine:
    """A Redis with `appendfsync always`, and whatever is started beside it."""

    def __init__(self) -> None:
        # Not in the system's folder for temporary files: that may be memory, where syncing costs nothing.
        (ROOT / "var").mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "var"))
        self._started: list[Process] = []
        self._redis: Process | None = None
        self.port = free_port()
        self.redis_url = f"redis://127.0.0.1:{self.port}/0"
        self.queue_url = f"redis://127.0.0.1:{self.port}/1"

    def __enter__(self) -> Self:
        self._start_redis()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for process in self._started:
                tail = process.output.read_text(errors="replace")[-1500:]
                sys.stderr.write(f"--- {process.output.name}\n{tail}\n")
        self._end_all()
        shutil.rmtree(self.folder, ignore_errors=True)

    def python(self, module: str, *words: str, **environ: str) -> Process:
        """Start ``python -m module words…`` with these variables and nothing of this process's own settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        settings = {"REDIS_URL": self.redis_url, "RELAY_SPOOL_DIR": str(self.folder / "spool"), "PYTHONPATH": str(ROOT)}
        output = self.folder / f"{len(self._started)}-{module}.log"
        process = Process([sys.executable, "-m", module, *words], {**kept, **settings, **environ}, output)
        self._started.append(process)
        return process

    def stop(self) -> None:
        """End everything, and start an empty Redis: emptying a full one takes longer, and its file stays long."""
        self._end_all()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self._start_redis()

    def _start_redis(self) -> None:
        command = arguments(find_server(), self.port, self.folder)
        self._redis = Process(command, os.environ, self.folder / "redis.log")
        wait_until(lambda: answers(self.port), "Redis answers")

    def _end_all(self) -> None:
        while self._started:
            self._started.pop().end()
        if self._redis is not None:
            self._redis.end()

    def redis_cpu(self) -> float:
        """Seconds of CPU that Redis has used."""
        assert self._redis is not None
        return self._redis.usage()[0]

    def redis_version(self) -> str:
        """The version of the redis-server."""
        with redis.Redis.from_url(self.redis_url) as client:
            return str(client.info("server")["redis_version"])
