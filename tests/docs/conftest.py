"""What `relay up` starts, once for all tests of a file, in a directory that looks like the project's."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.data_dir import DataDir
from cli.stack import Addresses, environment
from tests.support import warm_python
from tests.support.processes import RELAY, ROOT, Processes, clean_environ
from tests.support.redis_process import RedisServer
from tests.support.waiting import PATIENCE, until_now

USUAL = {"receiver": 8000, "console": 8001, "sandbox": 8002, "subscriber": 8003, "worker": 9108}


class RelayUp:
    """A relay as `relay up` runs it, but at free ports, so that many can start at once.

    ``directory`` is where commands run, with `docs/` and `deploy/` beside its `var/`.
    """

    def __init__(self, directory: Path, addresses: Addresses, token: str) -> None:
        self.directory = directory
        self.urls = {name: addresses.url(name) for name in USUAL}
        self.token = token
        headers = {"authorization": f"Bearer {token}"}
        self.api = httpx.Client(base_url=self.urls["console"], headers=headers, timeout=PATIENCE)

    def usual(self, text: str) -> str:
        """The text with the ports that things have here instead of the usual ones."""
        for name, port in USUAL.items():
            text = text.replace(f"http://127.0.0.1:{port}", self.urls[name])
        return text

    def play(self, scenario: str) -> str:
        """Play a scenario to its end; the imp_uid of its payment."""
        address = f"{self.urls['sandbox']}/_sandbox/scenarios/{scenario}?wait=true"
        imp_uid: str = httpx.post(address, json={}, timeout=PATIENCE).raise_for_status().json()["imp_uids"][0]
        return imp_uid

    def get(self, path: str, **query: str) -> Any:
        """What the operator API answers."""
        return self.api.get(path, params=query).raise_for_status().json()

    def endpoint(self, url: str, **fields: Any) -> dict[str, Any]:
        """A new endpoint, with its secret."""
        answer = self.api.post("/v1/endpoints", json={"merchant": "default", "url": url, **fields})
        created: dict[str, Any] = answer.raise_for_status().json()
        return created

    def delete(self, endpoint: str) -> None:
        """Delete an endpoint."""
        self.api.delete(f"/v1/endpoints/{endpoint}").raise_for_status()


@pytest.fixture(scope="session")
def shell_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH on which `relay` and `python` are those of the tests."""
    directory = tmp_path_factory.mktemp("bin")
    warm = f"-I -S {warm_python.__file__} {warm_python.server()} -c '{RELAY}'"
    for name, command in {"relay": warm, "python": ""}.items():
        shim = directory / name
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} {command} "$@"\n')
        shim.chmod(0o755)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="session")
def relay_up(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[RelayUp]:
    """All that `relay up` starts, and the endpoint of its subscriber."""
    directory = tmp_path_factory.mktemp("project")
    for name in ("docs", "deploy"):
        (directory / name).symlink_to(ROOT / name)
    addresses = Addresses({name: free_port() for name in (*USUAL, "redis")}, {})
    data_dir = DataDir(directory / "var")
    server = RedisServer(addresses.ports["redis"], data_dir.redis)
    processes = Processes(directory, environment(data_dir, addresses, clean_environ()))
    try:
        server.start()
        asyncio.run(_started(processes, addresses))
        relay = RelayUp(directory, addresses, data_dir.api_token())
        secret = relay.endpoint(relay.urls["subscriber"] + "/", description="shop")["secret"]
        asyncio.run(_subscriber(processes, addresses, secret))
        yield relay
        relay.api.close()
    finally:
        processes.end()
        server.kill()
        data_dir.close()


async def _started(processes: Processes, addresses: Addresses) -> None:
    def start(name: str, **environ: str) -> Any:
        return processes.python(name, HOST="127.0.0.1", PORT=str(addresses.ports[name]), **environ)

    worker = processes.python("workers", RELAY_METRICS_PORT=str(addresses.ports["worker"]))
    await asyncio.gather(
        start("sandbox", SANDBOX_WEBHOOK_URL=addresses.url("receiver") + "/webhooks").listening(
            addresses.ports["sandbox"]
        ),
        start("receiver").ready(addresses.url("receiver") + "/readyz"),
        start("console").ready(addresses.url("console") + "/livez"),
        worker.logged("worker_ready"),
    )


async def _subscriber(processes: Processes, addresses: Addresses, secret: str) -> None:
    port = addresses.ports["subscriber"]
    process = processes.python("sandbox.subscriber", PORT=str(port), SUBSCRIBER_SECRETS=f"/={secret}")
    await process.listening(port)


@pytest.fixture
def story(relay_up: RelayUp) -> Iterator[Mapping[str, str]]:
    """A payment that has gone its whole way, as the variables that the pages name; endpoints that are made meanwhile
    are deleted."""
    before = {endpoint["id"] for endpoint in relay_up.get("/v1/endpoints")["data"]}
    imp_uid = relay_up.play("card")
    event = until_now(lambda: relay_up.get("/v1/events", imp_uid=imp_uid)["data"], "the event is recorded")[0]
    endpoint = relay_up.get("/v1/endpoints")["data"][-1]["id"]
    yield {
        "IMP_UID": imp_uid,
        "ORDER": event["data"]["merchant_uid"],
        "EVENT": event["id"],
        "ENDPOINT": endpoint,
    }
    for found in relay_up.get("/v1/endpoints")["data"]:
        if found["id"] not in before:
            relay_up.delete(found["id"])
