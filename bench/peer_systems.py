"""What the relay is compared with: three applications of `bench.peers` that people would write instead.

Each has one process that takes webhooks and one a core that works, as the relay has in the same comparison. Celery's
work in threads, which costs less here than its default of a process for each task at once.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

from bench.machine import BenchProcess, Machine, free_port, wait_until
from bench.peers import install
from bench.peers.install import NotInstalled
from bench.systems import CREDENTIALS, DELIVERY_TIMEOUT, SECRET, wait_listening
from bench.traffic import Traffic

CORES = os.cpu_count() or 1
THREADS = 8
"""Threads of each Python process that works: Dramatiq's default."""


class _Peer(ABC):
    name: str
    outside = "127.0.0.1"
    ready: str = "the worker is ready"
    """What each process that works prints once it does."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.port = 0
        self.processes: dict[str, BenchProcess] = {}
        self._environ = {
            "IMP_API_URL": "http://127.0.0.1:1",
            "PEER_QUEUE_URL": machine.queue_url,
            "PEER_SECRET": SECRET.removeprefix("whsec_"),
            "PEER_TIMEOUT": str(DELIVERY_TIMEOUT),
            "PEER_ENDPOINTS": "",
            "PEER_REUSES_TOKEN": "1",
            **CREDENTIALS,
        }

    def traffic(self) -> Traffic:
        return Traffic(self.port)

    async def start_receiver(self) -> None:
        self.port = free_port()
        self.processes["receiver"] = self._receiver()
        wait_listening(self.port)

    async def start(self, api: int, endpoints: Sequence[str]) -> None:
        self._environ |= {"IMP_API_URL": f"http://127.0.0.1:{api}", "PEER_ENDPOINTS": ",".join(endpoints)}
        workers = self._workers()
        wait_until(lambda: all(worker.has_printed(self.ready) for worker in workers), f"{self.name} is ready")
        self.processes |= {f"worker {number}": worker for number, worker in enumerate(workers)}
        await self.start_receiver()

    @abstractmethod
    def _receiver(self) -> BenchProcess:
        """Starts the process that takes webhooks at `port`."""

    @abstractmethod
    def _workers(self) -> list[BenchProcess]:
        """Starts the processes that work."""

    def _uvicorn(self, *words: str) -> tuple[str, ...]:
        options = ("--port", str(self.port), "--loop", "uvloop", "--http", "httptools", "--log-level", "warning")
        return "-m", "uvicorn", *words, *options, "--no-access-log"


class PlainDramatiq(_Peer):
    """`bench.peers.plain`, as Dramatiq's command line starts it. It asks for a token before each look-up, as i'mport's
    guide does."""

    name = "plain Dramatiq"
    ready = "ready for action"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._environ["PEER_REUSES_TOKEN"] = "0"

    def _receiver(self) -> BenchProcess:
        _, module, *words = self._uvicorn("bench.peers.plain:app")
        return self._machine.python(module, *words, **self._environ)

    def _workers(self) -> list[BenchProcess]:
        return [self._machine.python("dramatiq", "bench.peers.plain", "--threads", str(THREADS), **self._environ)]


class ReusingDramatiq(PlainDramatiq):
    """The same with one thing better: it reuses its token."""

    name = "Dramatiq that reuses its token"

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._environ["PEER_REUSES_TOKEN"] = "1"


class FastapiCelery(_Peer):
    """`bench.peers.fastapi_celery`."""

    name = "FastAPI + Celery"

    def _receiver(self) -> BenchProcess:
        words = self._uvicorn("bench.peers.fastapi_celery.app:api")
        return self._machine.run("fastapi", str(install.celery()), *words, **self._environ)

    def _workers(self) -> list[BenchProcess]:
        application = ("-A", "bench.peers.fastapi_celery.app:tasks", "worker", "--loglevel", "WARNING")
        pool = ("--pool", "threads", "--concurrency", str(THREADS))
        command = (str(install.celery()), "-m", "celery", *application, *pool)
        names = [f"worker{number}@%h" for number in range(CORES)]
        return [self._machine.run("celery", *command, "--hostname", name, **self._environ) for name in names]


class FastifyBullmq(_Peer):
    """`bench/peers/fastify_bullmq`, with undici."""

    name = "Fastify + BullMQ"

    def _receiver(self) -> BenchProcess:
        return self._node("receiver", PORT=str(self.port))

    def _workers(self) -> list[BenchProcess]:
        return [self._node("worker") for _ in range(CORES)]

    def _node(self, program: str, **environ: str) -> BenchProcess:
        node, folder = install.fastify()
        return self._machine.run(program, str(node), str(folder / f"{program}.mjs"), **self._environ, **environ)


PEERS: tuple[type[_Peer], ...] = (PlainDramatiq, ReusingDramatiq, FastapiCelery, FastifyBullmq)


def installed(peers: Sequence[type[_Peer]] = PEERS) -> tuple[list[type[_Peer]], tuple[str, ...]]:
    """Those of these peers that this machine can run, and a line for each that it cannot."""
    found, notes = list(peers), []
    for peer, needs in ((FastapiCelery, install.celery), (FastifyBullmq, install.fastify)):
        if peer not in peers:
            continue
        try:
            needs()
        except NotInstalled as error:
            found.remove(peer)
            notes.append(f"{peer.name} is left out: {error}")
    return found, tuple(notes)
