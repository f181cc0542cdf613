"""A redis-server of the tests' own: started, stopped, killed and paused by its process id."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from cli.embedded import answers, arguments, find_server

PATIENCE = 30.0
"""Seconds after which a server that does not come up is an error; a generous wait, never a measurement."""


class RedisServer:
    """A durable Redis on a port of loopback, with its data in `directory`; both survive a restart."""

    def __init__(self, port: int, directory: Path, *options: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._directory = directory
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers, its data loaded."""
        self._directory.mkdir(parents=True, exist_ok=True)
        command = [*arguments(find_server(), self.port, self._directory), *self._options]
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while not answers(self.port):
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(
                    f"no Redis on port {self.port}: {(self._directory / 'redis.log').read_text()[-2000:]}"
                )
            time.sleep(0.02)

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
        assert self._process is not None, "not started"
        self._process.send_signal(number)

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
