"""What is measured: the relay's receiver and workers; `bench.peer_systems` has what it is compared with.

All sign by Standard Webhooks. None is slowed down by a limit of the endpoint: the peers have none, and the relay's
endpoint has the default, 64 callbacks at once.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Protocol

from cryptography.fernet import Fernet

from bench.machine import BenchProcess, Machine, free_port, wait_until
from history import History
from ledger import Ledger
from runtime.encryption import Sealer
from runtime.history_url import parse
from schemas.endpoints.endpoint import Endpoint, SealedSecret, new_secret
from tests.support.ledger_redis import CELLS

SECRET = new_secret(b"benchmarks-sign-with-this-one")
DELIVERY_TIMEOUT = 15.0
"""Seconds within which an endpoint has to answer, unless a benchmark changes it."""
CREDENTIALS = {"IMP_KEY": "key", "IMP_SECRET": "secret"}


class System(Protocol):
    """A system that takes webhooks and sends callbacks. `processes` are named `receiver` and `worker N`."""

    name: str
    port: int
    processes: dict[str, BenchProcess]

    async def start_receiver(self) -> None:
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
        self._settings = {"RELAY_ENCRYPTION_KEY": self._key, "RELAY_ALLOW_PRIVATE_ENDPOINTS": "true", **CREDENTIALS}
        self._settings |= {"RELAY_HISTORY_URL": machine.history_url} | dict(settings or {})
        self.port = 0
        self.processes: dict[str, BenchProcess] = {}

    async def start_receiver(self) -> None:
        await self._open()
        self.port = free_port()
        environ = {**self._settings, "PORT": str(self.port), "HOST": "127.0.0.1"}
        self.processes["receiver"] = self._machine.python("receiver", **environ)
        wait_listening(self.port)

    async def start(self, api: int, endpoints: Sequence[str]) -> None:
        await self.start_receiver()
        await self.subscribe(endpoints)
        self.start_workers(api)

    async def subscribe(self, endpoints: Sequence[str]) -> None:
        """Registers these URLs for all events; the receiver was started."""
        ledger = self.ledger()
        sealed = SealedSecret(self._sealer.seal(SECRET))
        for number, url in enumerate(endpoints):
            await ledger.endpoints.create(Endpoint(endpoint_name(number), "default", url, secrets=(sealed,)))
        await ledger.close()

    def start_workers(self, api: int) -> None:
        """Starts the workers, with i'mport at this port of loopback, and waits until they are ready."""
        environ = {**self._settings, "IMP_API_URL": f"http://127.0.0.1:{api}"}
        workers = [self._machine.python("workers", **environ) for _ in range(self._workers)]
        self.processes |= {f"worker {number}": worker for number, worker in enumerate(workers)}
        wait_until(lambda: all(worker.has_printed("worker_ready") for worker in workers), "the workers are ready")

    def start_console(self) -> int:
        """Starts the console; the port that it listens on."""
        port = free_port()
        self.processes["console"] = self._machine.python("console", **self._settings, PORT=str(port), HOST="127.0.0.1")
        wait_listening(port)
        return port

    async def _open(self) -> None:
        """Begins an empty ledger beside the history, which may be full: as `relay restore --begin-anew` does."""
        ledger, history = self.ledger(), History.connect(parse(self._settings["RELAY_HISTORY_URL"]))
        try:
            await history.prepare()
            await history.hand_over(await ledger.begin(self._sealer))
            await ledger.open_with(history, self._sealer)
        finally:
            await history.close()
            await ledger.close()

    @property
    def _sealer(self) -> Sealer:
        return Sealer([self._key])

    def ledger(self) -> Ledger:
        """Its ledger; the caller closes it."""
        return Ledger.connect(self._machine.redis_url, self._machine.queue_url, cells=CELLS)


def endpoint_name(number: int) -> str:
    """The id of the relay's endpoint of this number."""
    return f"ep_{number:020}"


def wait_listening(port: int) -> None:
    """Waits until a port of loopback takes connections. Raises `TimeoutError`."""

    def accepts() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(accepts, f"port {port} is listened on")
