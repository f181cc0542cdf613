"""The processes that `relay up` starts: their ports, their environment, and when each is ready."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

from cli.data_dir import DataDir
from cli.embedded import answers, arguments, find_server
from cli.failure import CommandFailed
from cli.free_ports import next_free
from cli.supervisor import Child, Supervisor
from runtime.environment import FILE

START_TIMEOUT = 30.0
"""Seconds within which a process must be ready."""

RETRY_SCHEDULE = "2s,5s,15s,1m,5m,30m,2h"
"""Shorter than the default, so that a retry can be watched."""

_PORTS = {"receiver": 8000, "console": 8001, "sandbox": 8002, "subscriber": 8003, "redis": 7379}


@dataclass(frozen=True, slots=True)
class Addresses:
    """The ports of all processes. `moved` has the usual ports that were taken, by the name of their process."""

    ports: Mapping[str, int]
    moved: Mapping[str, int]

    @classmethod
    def choose(cls, environ: Mapping[str, str]) -> Addresses:
        """The usual ports (the receiver's is `PORT` if set) or the next free ones. Raises `CommandFailed`."""
        wanted = dict(_PORTS)
        if environ.get("PORT", "").isdecimal():
            wanted["receiver"] = int(environ["PORT"])
        given: set[int] = set()
        ports = {name: next_free(port, given) for name, port in wanted.items()}
        return cls(ports, {name: wanted[name] for name in ports if ports[name] != wanted[name]})

    def url(self, name: str) -> str:
        """The URL of a process; that of Redis includes the ledger's database."""
        port = self.ports[name]
        return f"redis://127.0.0.1:{port}/0" if name == "redis" else f"http://127.0.0.1:{port}"


def environment(data_dir: DataDir, addresses: Addresses, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of all processes: the user's variables, except those that connect the processes to each other."""
    unless_set = {
        "RELAY_API_TOKEN": data_dir.api_token(),
        "RELAY_ENCRYPTION_KEY": data_dir.encryption_key(),
        "RELAY_RETRY_SCHEDULE": RETRY_SCHEDULE,
        "RELAY_WORKERS": "1",  # enough for one person, and ready sooner
        "RELAY_ALLOWED_IPS": "127.0.0.1",
        "IMP_KEY": "imp_apikey",
        "IMP_SECRET": "sandbox-secret",
    }
    fixed = {
        "REDIS_URL": addresses.url("redis"),
        "RELAY_QUEUE_URL": f"redis://127.0.0.1:{addresses.ports['redis']}/1",
        "IMP_API_URL": addresses.url("sandbox"),
        "RELAY_IAMPORT_PROXY": "",
        "RELAY_CONSOLE_URL": addresses.url("console"),
        "RELAY_ALLOW_PRIVATE_ENDPOINTS": "true",
        "RELAY_SPOOL_DIR": str(data_dir.spool),
        "RELAY_HISTORY_URL": f"sqlite:///{quote(str(data_dir.history))}",
        "RELAY_LOG_FORMAT": "json",
        "RELAY_LOG_LEVEL": "info",
        "PYTHONUNBUFFERED": "1",
    }
    given = {name: value for name, value in environ.items() if value.strip() and name.removesuffix(FILE) not in fixed}
    left_open = {name: value for name, value in unless_set.items() if name + FILE not in given}
    return {**left_open, **given, **fixed}


class LocalStack:
    """Starts the processes and waits until each is ready."""

    def __init__(
        self, supervisor: Supervisor, data_dir: DataDir, addresses: Addresses, environ: dict[str, str]
    ) -> None:
        self._supervisor = supervisor
        self._data_dir = data_dir
        self._addresses = addresses
        self._environ = environ

    async def redis(self) -> None:
        """Starts the embedded Redis. Raises `CommandFailed`, also as `NoRedisServer`."""
        port = self._addresses.ports["redis"]
        child = Child("redis", arguments(find_server(), port, self._data_dir.redis), self._environ, last=True)
        await self._start(child, lambda: answers(port))

    async def server(self, name: str, module: str, path: str, **extra: str) -> None:
        """Starts `python -m module` on its port; it is ready once it answers at this path. Raises `CommandFailed`."""
        port = str(self._addresses.ports[name])
        child = Child(name, (sys.executable, "-m", module), self._environ | {"HOST": "127.0.0.1", "PORT": port} | extra)
        await self._start(child, lambda: _responds(self._addresses.ports[name], path))

    async def worker(self) -> None:
        """Starts a worker; it is ready once it logs so. Raises `CommandFailed`."""
        child = Child("worker", (sys.executable, "-m", "workers"), self._environ, ready_text='"worker_ready"')
        await self._start(child, lambda: child.up)

    async def _start(self, child: Child, ready: Callable[[], bool]) -> None:
        await self._supervisor.start(child)
        until = time.monotonic() + START_TIMEOUT
        while not await asyncio.to_thread(ready):
            if self._supervisor.failed.done():
                self._supervisor.failed.result()
            if time.monotonic() > until:
                log = f"{self._data_dir.shown}/log/{child.name}.log"
                raise CommandFailed(f"{child.name} is not ready after {START_TIMEOUT:.0f} s: see {log}")
            await asyncio.sleep(0.05)
        child.up = True


def _responds(port: int, path: str) -> bool:
    """Whether a server answers. It is asked often: a client of httpx would read all certificates each time."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
