"""What a benchmark runs on: a durable Redis and its own processes, in a temporary folder."""

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
TIMEOUT = 30.0
"""Seconds to wait for anything that should happen."""

_OURS = ("RELAY_", "IMP_", "REDIS_", "PEER_")


def free_port() -> int:
    """A free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Waits until this holds. Raises `TimeoutError`."""
    ends = time.monotonic() + TIMEOUT
    while not holds():
        if time.monotonic() > ends:
            raise TimeoutError(f"not within {TIMEOUT:g} s: {what}")
        time.sleep(0.02)


class BenchProcess:
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
        """Its process id, which is also its group's."""
        return self._process.pid

    def has_printed(self, text: str) -> bool:
        """Whether it has printed this. Raises `RuntimeError` if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"a process ended too soon:\n{self.output.read_text(errors='replace')[-2000:]}")
        return text in self.output.read_text(errors="replace")

    def usage(self) -> tuple[float, int]:
        """The seconds of CPU that it and its children have used, and their resident bytes."""
        whole = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        times = [one.cpu_times() for one in whole]
        return sum(each.user + each.system for each in times), sum(one.memory_info().rss for one in whole)

    def end(self) -> None:
        """Kills it and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(TIMEOUT)


class Machine:
    """A Redis with `appendfsync always`, and the processes started beside it."""

    def __init__(self) -> None:
        # Not in the system's temporary folder: that may be in memory, where fsync costs nothing.
        (ROOT / "var").mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "var"))
        self._started: list[BenchProcess] = []
        self._redis: BenchProcess | None = None
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

    def python(self, module: str, *words: str, **environ: str) -> BenchProcess:
        """Starts ``python -m module arguments…`` with these variables and none of this process's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        settings = {"REDIS_URL": self.redis_url, "RELAY_SPOOL_DIR": str(self.folder / "spool"), "PYTHONPATH": str(ROOT)}
        settings["RELAY_WORKERS"] = "1"  # a benchmark starts as many as it means to
        output = self.folder / f"{len(self._started)}-{module}.log"
        process = BenchProcess([sys.executable, "-m", module, *words], {**kept, **settings, **environ}, output)
        self._started.append(process)
        return process

    def stop(self) -> None:
        """Ends everything and starts an empty Redis, which is faster than emptying a full one."""
        self._end_all()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self._start_redis()

    def _start_redis(self) -> None:
        command = arguments(find_server(), self.port, self.folder)
        self._redis = BenchProcess(command, os.environ, self.folder / "redis.log")
        wait_until(lambda: answers(self.port), "Redis answers")

    def _end_all(self) -> None:
        while self._started:
            self._started.pop().end()
        if self._redis is not None:
            self._redis.end()

    def redis_cpu(self) -> float:
        """The seconds of CPU that Redis has used."""
        assert self._redis is not None
        return self._redis.usage()[0]

    def redis_version(self) -> str:
        """The version of the redis-server."""
        with redis.Redis.from_url(self.redis_url) as client:
            return str(client.info("server")["redis_version"])
