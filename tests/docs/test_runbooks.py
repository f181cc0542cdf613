"""The run books for what is lost: the commands of each, as they are written, in the situation that they are for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from cryptography.fernet import Fernet

from tests.docs.pages import bash, blocks
from tests.support import postgres
from tests.support.ledger_redis import in_all_cells
from tests.support.processes import ROOT, Process, Processes, clean_environ
from tests.support.redis_process import RedisServer
from tests.support.waiting import until_now


class Relay:
    """A console and a worker of this test's own."""

    def __init__(self, server: RedisServer, processes: Processes, port: int, shell_path: str) -> None:
        url = f"http://127.0.0.1:{port}"
        self._server, self._processes, self._port = server, processes, port
        self.settings = {
            "REDIS_URL": server.url,
            "RELAY_API_TOKEN": "operator-token",
            "RELAY_ENCRYPTION_KEY": Fernet.generate_key().decode(),
            "RELAY_HISTORY_URL": f"sqlite:///{processes.directory}/history.db",
            "IMP_KEY": "key",
            "IMP_SECRET": "secret",
            "RELAY_CONSOLE_URL": url,
        }
        self.environ = {**clean_environ(), **self.settings, "PATH": shell_path}
        self.api = httpx.Client(base_url=url, headers={"authorization": "Bearer operator-token"}, timeout=30)

    def start(self) -> tuple[Process, Process]:
        """Console and worker."""
        worker = self._processes.python("workers", **self.settings)
        console = self._processes.python("console", **self.settings, PORT=str(self._port))
        asyncio.run(console.ready(f"{self.settings['RELAY_CONSOLE_URL']}/readyz"))
        return console, worker

    def run(self, kind: str) -> str:
        """Run the block of this kind; what it prints."""
        (block,) = [block for block in blocks(ROOT / "docs" / "operating.md") if block.info == f"sh {kind}"]
        folder = self._processes.directory
        status, output = bash(f"set -euo pipefail\n{block.text}", self.environ, folder, folder / "output")
        assert status == 0, output
        return output

    def get(self, path: str) -> Any:
        """What the operator API answers."""
        return self.api.get(path).raise_for_status().json()

    def empty_redis(self) -> None:
        """Redis loses everything, once history has it."""
        until_now(lambda: len(self.get("/v1/endpoints")["data"]) == 1, "the endpoint is listed")
        client = redis.Redis.from_url(self._server.url)
        until_now(lambda: max(map(client.xlen, client.keys(in_all_cells("outbox")))) <= 1, "all is recorded")
        client.flushall()
        client.close()

    def is_ready(self) -> bool:
        """Whether the ledger is open."""
        return self.api.get("/readyz").status_code == 200


@pytest.fixture
def relay(own_redis: RedisServer, processes: Processes, free_port: Callable[[], int], shell_path: str) -> Relay:
    """Not started yet."""
    return Relay(own_redis, processes, free_port(), shell_path)


def endpoint(relay: Relay) -> Mapping[str, Any]:
    """A new endpoint."""
    body = {"merchant": "default", "url": "https://shop.example/payments"}
    created: Mapping[str, Any] = relay.api.post("/v1/endpoints", json=body).raise_for_status().json()
    return created


def test_a_lost_ledger_is_restored_as_written(relay: Relay) -> None:
    """The endpoint is there again, with its secret."""
    relay.start()
    created = endpoint(relay)
    relay.empty_redis()
    until_now(lambda: not relay.is_ready(), "the loss is seen")
    output = relay.run("empty-ledger")
    assert "1 endpoints" in output
    assert "relay reconcile --merchant default --since" in output
    assert relay.get(f"/v1/endpoints/{created['id']}/secret")["secret"] == created["secret"]


def test_it_is_begun_anew_as_written(relay: Relay) -> None:
    """The ledger is open, and empty."""
    relay.start()
    created = endpoint(relay)
    relay.empty_redis()
    relay.run("begin-anew")
    until_now(relay.is_ready, "it is open")
    assert relay.api.get(f"/v1/endpoints/{created['id']}").status_code == 404


def test_rebuilds_are_begun_as_written(relay: Relay) -> None:
    """With Redis and history empty, every merchant's rebuild is taken."""
    relay.start()
    relay.run("empty-everything")
    begun = until_now(lambda: relay.get("/v1/reconciliations")["data"], "they are listed")
    assert {(run["merchant"], run["deliver"]) for run in begun} == {("default", False), ("shop", False)}


def test_a_lost_history_is_rebuilt_as_written(relay: Relay) -> None:
    """The rebuild is taken although the ledger is not empty."""
    console, worker = relay.start()
    endpoint(relay)
    until_now(lambda: len(relay.get("/v1/endpoints")["data"]) == 1, "the endpoint is listed")
    asyncio.run(console.terminate())
    asyncio.run(worker.terminate())
    for file in Path(relay.settings["RELAY_HISTORY_URL"].removeprefix("sqlite:///")).parent.glob("history.db*"):
        file.unlink()
    _, worker = relay.start()
    asyncio.run(worker.logged("history_written_again"))
    relay.run("empty-history")


def test_postgresql_is_dumped_as_written(relay: Relay, free_port: Callable[[], int], tmp_path: Path) -> None:
    """A dump that `pg_restore` can list."""
    programs = postgres.find_programs()
    with postgres.installed(free_port) as server:
        assert programs is not None
        relay.environ["PATH"] = f"{programs}{os.pathsep}{relay.environ['PATH']}"
        relay.environ["RELAY_HISTORY_URL"] = server.create("dumped")
        relay.run("postgresql")
    assert [file.read_bytes()[:5] for file in tmp_path.rglob("history.dump")] == [b"PGDMP"]
