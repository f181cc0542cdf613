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
from bench.traffic import Traffic
from cli.restore_ledger import begin_anew
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
    """A system that takes webhooks and sends callbacks. `processes` are named `receiver` and `worker N`; `outside` is
    this process's address as they see it."""

    name: str
    port: int
    outside: str
    processes: dict[str, BenchProcess]

    def traffic(self) -> Traffic:
        """Something that sends webhooks to it."""

    async def start_receiver(self) -> None:
        """Starts the process that takes webhooks at `port`; returns once it does."""

    async def start(self, api: int, endpoints: Sequence[str]) -> None:
        """Starts all processes, with i'mport at this port and these URLs subscribed to all events."""


class RelaySystem:
    """The relay: one receiver, `workers` workers. `settings` are additional environment variables. `servers` are the
    pids of servers that have its ledger beside the machine's Redis."""

    name = "relay"
    outside = "127.0.0.1"

    def __init__(self, machine: Machine, settings: Mapping[str, str] | None = None, *, workers: int = 1) -> None:
        self._machine = machine
        self._workers = workers
        self._key = Fernet.generate_key().decode()
        self._settings = {"RELAY_ENCRYPTION_KEY": self._key, "RELAY_ALLOW_PRIVATE_ENDPOINTS": "true", **CREDENTIALS}
        self._settings |= {"REDIS_URL": machine.redis_url, "RELAY_QUEUE_URL": machine.queue_url}
        self._settings |= {"RELAY_HISTORY_URL": machine.history_url, **(settings or {})}
        self.servers: list[int] = []
        self.port = 0
        self.processes: dict[str, BenchProcess] = {}

    async def start_receiver(self) -> None:
        await self._open()
        self.port = free_port()
        self.processes["receiver"] = self._python("receiver", PORT=str(self.port), HOST=self._receiver_host)
        wait_listening(self.port, self._receiver_host)

    def traffic(self) -> Traffic:
        return Traffic(self.port, self._receiver_host)

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
        """Starts the workers, with i'mport at this port, and waits until they are ready."""
        workers = [self._python("workers", IMP_API_URL=f"http://{self.outside}:{api}") for _ in range(self._workers)]
        self.processes |= {f"worker {number}": worker for number, worker in enumerate(workers)}
        wait_until(lambda: all(worker.has_printed("worker_ready") for worker in workers), "the workers are ready")

    def start_console(self) -> int:
        """Starts the console; the port that it listens on."""
        port = free_port()
        self.processes["console"] = self._python("console", PORT=str(port), HOST="127.0.0.1")
        wait_listening(port)
        return port

    _receiver_host = "127.0.0.1"
    """Where the receiver listens."""

    def _python(self, module: str, **environ: str) -> BenchProcess:
        return self._machine.python(module, **self._settings, **environ)

    async def _open(self) -> None:
        """Begins an empty ledger beside the history, which may be full: as `relay restore --begin-anew` does."""
        ledger, history = self.ledger(), History.connect(parse(self._settings["RELAY_HISTORY_URL"]))
        try:
            await history.prepare()
            if await history.is_empty():
                await ledger.open_with(history, self._sealer)
            else:
                await begin_anew(ledger, history, self._sealer)
        finally:
            await history.close()
            await ledger.close()

    @property
    def _sealer(self) -> Sealer:
        return Sealer([self._key])

    def ledger(self) -> Ledger:
        """Its ledger; the caller closes it."""
        return Ledger.connect(self._settings["REDIS_URL"], self._settings["RELAY_QUEUE_URL"], cells=CELLS)


def endpoint_name(number: int) -> str:
    """The id of the relay's endpoint of this number."""
    return f"ep_{number:020}"


def wait_listening(port: int, host: str = "127.0.0.1") -> None:
    """Waits until a port takes connections. Raises `TimeoutError`."""

    def accepts() -> bool:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            return False
        return True

    wait_until(accepts, f"port {port} is listened on")
