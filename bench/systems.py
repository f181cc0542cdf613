"""The two systems that are compared: the relay's receiver and worker, and a plain Dramatiq application.

Both sign by Standard Webhooks. The peer runs as Dramatiq's command line starts it, with a process a core and eight
threads each; the relay with one worker process, unless a benchmark gives it one a core, too. Neither is slowed down by
a limit of the endpoint: the peer has none, and the relay's endpoint is registered to take 32 callbacks at once.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Protocol

from cryptography.fernet import Fernet

from bench.machine import BenchProcess, Machine, free_port, wait_until
from ledger import Ledger
from runtime.encryption import Sealer
from schemas.endpoints.endpoint import Endpoint, SealedSecret, new_secret

SECRET = new_secret(b"benchmarks-sign-with-this-one")
DELIVERY_TIMEOUT = 15.0
"""Seconds within which an endpoint has to answer, unless a benchmark changes it."""

IN_FLIGHT = 32

_CREDENTIALS = {"IMP_KEY": "key", "IMP_SECRET": "secret"}


class System(Protocol):
    """A system that takes webhooks and sends callbacks."""

    name: str
    port: int
    processes: dict[str, BenchProcess]

    def start_receiver(self) -> None:
        """Starts the process that takes webhooks at `port`; returns once it does."""

    async def start(self, api: int, endpoints: Sequence[str]) -> None:
        """Starts all processes, with i'mport at this port of loopback and these URLs subscribed to all events."""


class RelaySystem:
    """The relay: one receiver, `workers` workers. `settings` are additional environment variables."""

    name = "relay"

    def __init__(self, machine: Machine, settings: Mapping[str, str] | None = None, *, workers: int = 1) -> None:
        self._machine = machine
        self._workers = workers
        self._key = Fernet.generate_key().decode()
        self._settings = {"RELAY_ENCRYPTION_KEY": self._key, "RELAY_ALLOW_PRIVATE_ENDPOINTS": "true", **_CREDENTIALS}
        self._settings |= settings or {}
        self.port = 0
        self.processes: dict[str, BenchProcess] = {}

    def start_receiver(self) -> None:
        self.port = free_port()
        environ = {**self._settings, "PORT": str(self.port), "HOST": "127.0.0.1"}
        self.processes["receiver"] = self._machine.python("receiver", **environ)
        _listening(self.port)

    async def start(self, api: int, endpoints: Sequence[str], *, in_flight: int = IN_FLIGHT) -> None:
        ledger = self.ledger()
        sealed = SealedSecret(Sealer([self._key]).seal(SECRET))
        for number, url in enumerate(endpoints):
            name = f"ep_{number:020}"
            await ledger.endpoints.create(Endpoint(name, "default", url, secrets=(sealed,), max_in_flight=in_flight))
        await ledger.close()
        environ = {**self._settings, "IMP_API_URL": f"http://127.0.0.1:{api}"}
        workers = [self._machine.python("workers", **environ) for _ in range(self._workers)]
        self.processes |= {f"worker {number}": worker for number, worker in enumerate(workers)}
        self.start_receiver()
        wait_until(lambda: all(worker.has_printed("worker_ready") for worker in workers), "the workers are ready")

    def ledger(self) -> Ledger:
        """Its ledger; the caller closes it."""
        return Ledger.connect(self._machine.redis_url, self._machine.queue_url)


class PlainDramatiq:
    """The plain Dramatiq application of `bench.peers.plain`."""

    name = "plain Dramatiq"

    def __init__(self, machine: Machine, *, reuses_token: bool = False) -> None:
        self._machine = machine
        self.name = "… that reuses its token" if reuses_token else self.name
        self.port = 0
        self.processes: dict[str, BenchProcess] = {}
        self._environ = {
            "IMP_API_URL": "http://127.0.0.1:1",
            "PEER_QUEUE_URL": machine.queue_url,
            "PEER_SECRET": SECRET.removeprefix("whsec_"),
            "PEER_TIMEOUT": str(DELIVERY_TIMEOUT),
            "PEER_ENDPOINTS": "",
            "PEER_REUSES_TOKEN": str(int(reuses_token)),
            **_CREDENTIALS,
        }

    def start_receiver(self) -> None:
        self.port = free_port()
        arguments = ("bench.peers.plain:app", "--port", str(self.port), "--loop", "uvloop", "--http", "httptools")
        quiet = ("--log-level", "warning", "--no-access-log")
        self.processes["receiver"] = self._machine.python("uvicorn", *arguments, *quiet, **self._environ)
        _listening(self.port)

    async def start(self, api: int, endpoints: Sequence[str]) -> None:
        self._environ |= {"IMP_API_URL": f"http://127.0.0.1:{api}", "PEER_ENDPOINTS": ",".join(endpoints)}
        worker = self._machine.python("dramatiq", "bench.peers.plain", **self._environ)
        self.processes["worker"] = worker
        self.start_receiver()
        wait_until(lambda: worker.has_printed("ready for action"), "Dramatiq is ready")


def _listening(port: int) -> None:
    def accepts() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(accepts, f"port {port} is listened on")
