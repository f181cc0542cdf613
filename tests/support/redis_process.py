"""A redis-server of the tests' own: started, stopped, killed and paused by its process id."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import redis

from cli import embedded
from cli.embedded import answers, arguments
from ledger.keys import cell_prefix
from tests.support.ledger_redis import CELLS, shared_key
from tests.support.waiting import PATIENCE, until_now


@cache
def _program() -> Path:
    """The redis-server of this machine; it has to be asked for its version, once is enough."""
    return embedded.find_server()


class RedisProcess:
    """A redis-server with a configuration of any kind, also a Sentinel; its log is in ``directory``."""

    def __init__(self, directory: Path, name: str = "redis") -> None:
        self._directory = directory
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def log(self) -> str:
        """The end of what it has logged."""
        return (self._directory / f"{self._name}.log").read_text()[-2000:]

    def configure(self, lines: list[str], *options: str) -> None:
        """Start it with a configuration file of these lines; it need not answer yet."""
        file = self._directory / f"{self._name}.conf"
        file.write_text("\n".join([*lines, ""]))
        self.launch([str(_program()), str(file), *options])

    def launch(self, command: list[str]) -> None:
        """Start it by this command; it need not answer yet."""
        with (self._directory / f"{self._name}.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self) -> None:
        """Ask it to stop, as an operator would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Take it away in the middle of whatever it does."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang: connections stay open and nothing is answered."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(number)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


_QUICK = ("--repl-diskless-sync-delay", "0")
"""A primary waits five seconds for further replicas before it sends its data to one."""


class RedisServer(RedisProcess):
    """A durable Redis on a port of loopback, with its data in `directory`; both survive a restart."""

    def __init__(self, port: int, directory: Path, *options: str) -> None:
        super().__init__(directory)
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._options = options

    @property
    def queue_url(self) -> str:
        """The broker's database, beside the ledger's."""
        return queue_url(self.url)

    def empty(self) -> None:
        """Remove all keys of all its databases."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def start(self) -> None:
        """Start it and wait until it answers, its data loaded; RuntimeError where it does not."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self.launch([*arguments(_program(), self.port, self._directory), *_QUICK, *self._options])
        process = self._process
        assert process is not None
        until_now(lambda: answers(self.port) or process.poll() is not None, lambda: f"Redis answers: {self.log}")
        if process.poll() is not None:
            self._process = None
            raise RuntimeError(f"no Redis on port {self.port}: {self.log}")
        with redis.Redis.from_url(self.url) as client, suppress(redis.RedisError):
            open_ledger(client)


def open_ledger(client: redis.Redis | redis.RedisCluster) -> None:
    """Open the ledger of a Redis, as a worker does that knows its history: most tests have no worker."""
    with client.pipeline(transaction=False) as pipe:  # one fsync instead of one for each key
        for prefix in (shared_key(""), *map(cell_prefix, range(CELLS))):
            pipe.set(prefix + "open", "1")
            pipe.set(prefix + "name", "ldg_test")
        pipe.execute()


def queue_url(redis_url: str) -> str:
    """The broker's database beside the ledger's."""
    return redis_url.removesuffix("/0") + "/1"


@contextmanager
def not_durable(redis_url: str) -> Iterator[None]:
    """A Redis that syncs its file once a second only, for as long as this lasts."""
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("appendfsync", "everysec")
        try:
            yield
        finally:
            client.config_set("appendfsync", "always")
