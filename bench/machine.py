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
from collections import Counter
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


def tree_usage(pid: int) -> tuple[float, int]:
    """The seconds of CPU that a process and its children have used, those that have ended included, and the resident
    bytes of those that live."""
    cpu, resident = 0.0, 0
    for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile: its parent's times include it from then on
            times, memory = one.cpu_times(), one.memory_info()
            cpu += times.user + times.system + times.children_user + times.children_system
            resident += memory.rss
    return cpu, resident


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
        """The seconds of CPU that it and its children have used, those that have ended included, and the resident bytes
        of those that live."""
        return tree_usage(self.pid)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it and its children: kills them, or asks them by another signal."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)
        self._process.wait(TIMEOUT)


class Machine:
    """A Redis with `appendfsync always` and further options, and the processes started beside it. What is in `folder`
    goes with them, what is in `kept` stays until the end of the run."""

    def __init__(self, *redis_options: str) -> None:
        # Not in the system's temporary folder: that may be in memory, where fsync costs nothing.
        (ROOT / "var").mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=ROOT / "var"))
        self.kept = Path(tempfile.mkdtemp(prefix="bench-kept-", dir=ROOT / "var"))
        self._started: list[BenchProcess] = []
        self._redis_options = redis_options
        self._redis: BenchProcess | None = None
        self.port = free_port()
        self.redis_url = f"redis://127.0.0.1:{self.port}/0"
        self.queue_url = f"redis://127.0.0.1:{self.port}/1"

    def __enter__(self) -> Self:
        self.start_redis()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.show_output()
        self._end_all()
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self.kept, ignore_errors=True)

    @property
    def history_url(self) -> str:
        """Where the history is of a relay that is not given another: a file that `stop` removes."""
        return f"sqlite:///{self.folder}/history.db"

    def python(self, module: str, *words: str, **environ: str) -> BenchProcess:
        """Starts ``python -m module words…`` with these variables and none of this process's settings."""
        return self.run(module, *self.command(module), *words, **environ)

    def command(self, module: str) -> Sequence[str]:
        """What starts a module."""
        return sys.executable, "-m", module

    def run(self, name: str, *command: str, **environ: str) -> BenchProcess:
        """Starts a command with these variables and none of this process's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        settings = {"REDIS_URL": self.redis_url, "RELAY_SPOOL_DIR": str(self.folder / "spool"), "PYTHONPATH": str(ROOT)}
        settings["RELAY_HISTORY_URL"] = self.history_url
        settings["RELAY_WORKERS"] = "1"  # a benchmark starts as many as it means to
        output = self.folder / f"{len(self._started)}-{name}.log"
        process = BenchProcess(command, {**kept, **settings, **environ}, output)
        self._started.append(process)
        return process

    def show_output(self) -> None:
        """Shows what each process has printed last, to find out what is wrong."""
        for process in self._started:
            tail = process.output.read_text(errors="replace")[-1500:]
            sys.stderr.write(f"--- {process.output.name}\n{tail}\n")

    def stop(self) -> None:
        """Ends everything and starts an empty Redis, which is faster than emptying a full one."""
        self._end_all()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.start_redis()

    def start_redis(self) -> None:
        """Starts Redis with what its folder has, and waits until it answers."""
        command = [*arguments(find_server(), self.port, self.folder), *self._redis_options]
        self._redis = BenchProcess(command, os.environ, self.folder / "redis.log")
        wait_until(lambda: answers(self.port), "Redis answers")

    def _end_all(self) -> None:
        while self._started:
            self._started.pop().end()
        if self._redis is not None:
            self._redis.end()

    def stop_redis(self) -> None:
        """Stops Redis as an operator does; its data stay."""
        self._running_redis.end(signal.SIGTERM)

    @property
    def _running_redis(self) -> BenchProcess:
        assert self._redis is not None, "not started"
        return self._redis

    @property
    def redis_pid(self) -> int:
        """Redis' process id."""
        return self._running_redis.pid

    def configure_redis(self, settings: Mapping[str, str]) -> None:
        """Changes settings of the running Redis, one after the other."""
        with redis.Redis.from_url(self.redis_url) as client:
            for name, value in settings.items():
                client.config_set(name, value)

    def redis_cpu(self) -> float:
        """The seconds of CPU that Redis has used."""
        return self._running_redis.usage()[0]

    def redis_commands(self) -> Counter[str]:
        """How often Redis has carried out each command, within scripts too, without those that asked for this."""
        with redis.Redis.from_url(self.redis_url) as client:
            counted = client.info("commandstats")
        calls = {name.removeprefix("cmdstat_"): each["calls"] for name, each in counted.items()}
        return Counter(
            {name: count for name, count in calls.items() if not name.startswith(("info", "client", "hello"))}
        )

    def redis_memory(self) -> int:
        """The bytes that Redis has allocated for what it holds: without the buffers of clients and of its log."""
        with redis.Redis.from_url(self.redis_url) as client:
            found = client.info("memory")
        return int(found["used_memory"] - found["mem_clients_normal"] - found["mem_aof_buffer"])

    def redis_log(self) -> int:
        """The bytes of Redis' append-only file, which it rewrites from 64 MiB on."""
        with redis.Redis.from_url(self.redis_url) as client:
            return int(client.info("persistence")["aof_current_size"])

    def redis_version(self) -> str:
        """The version of the redis-server."""
        with redis.Redis.from_url(self.redis_url) as client:
            return str(client.info("server")["redis_version"])
