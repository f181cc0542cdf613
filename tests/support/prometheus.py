"""A real Prometheus, configured as deploy/prometheus/ does it but quicker, which scrapes what a test started."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.clients import http_client
from tests.support.processes import ROOT, Process, Processes

FOLDER = ROOT / "deploy" / "prometheus"
DOCS = "https://docs.example.com/iamport-relay"
_DISCOVERY = re.compile(r"dns_sd_configs: \[\{ names: \[(\w+)\].*\]")


class Prometheus:
    """``client`` asks its API."""

    def __init__(self, process: Process, port: int) -> None:
        self._process, self._port = process, port
        self.client = http_client(f"http://127.0.0.1:{port}")

    async def ready(self) -> None:
        """Wait until it answers."""
        await self._process.ready(f"http://127.0.0.1:{self._port}/-/ready")

    async def query(self, expression: str) -> list[Any]:
        """The series that an expression gives now."""
        result: list[Any] = (await self._get("query", query=expression))["result"]
        return result

    async def names(self) -> set[str]:
        """The names of all metrics it has."""
        return set(await self._get("label/__name__/values"))

    async def rules(self) -> list[Mapping[str, Any]]:
        """Each rule with its `health`, `lastError` and `lastEvaluation`."""
        (group,) = (await self._get("rules"))["groups"]
        rules: list[Mapping[str, Any]] = group["rules"]
        return rules

    async def firing(self) -> Mapping[str, str]:
        """The alerts that fire, with their `runbook_url`."""
        alerts = (await self._get("alerts"))["alerts"]
        return {
            one["labels"]["alertname"]: one["annotations"]["runbook_url"] for one in alerts if one["state"] == "firing"
        }

    async def _get(self, path: str, **query: str) -> Any:
        answer: httpx.Response = await self.client.get(f"/api/v1/{path}", params=query)
        assert answer.status_code == 200, (query, answer.text)
        return answer.json()["data"]


def start(processes: Processes, port: int, targets: Mapping[str, Sequence[str]], token: str) -> Prometheus:
    """One that looks every second at these targets of each service, and at whose rules an alert fires after a second.
    Skips the test where Prometheus is not installed."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed: apt-get install prometheus")
    directory = processes.directory / "prometheus"
    _configure(directory, targets, token)
    command = [
        program,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return Prometheus(processes.run("prometheus", command), port)


def _configure(directory: Path, targets: Mapping[str, Sequence[str]], token: str) -> None:
    directory.mkdir()

    def static(found: re.Match[str]) -> str:
        return f"static_configs: [{{ targets: {[*targets[found[1]]]} }}]"

    text, count = _DISCOVERY.subn(static, (FOLDER / "prometheus.yml").read_text())
    assert count == len(targets)
    assert DOCS in text
    (directory / "prometheus.yml").write_text(re.sub(r"_interval: \w+", "_interval: 1s", text))
    (directory / "rules.yml").write_text(re.sub(r" for: \w+", " for: 1s", (FOLDER / "rules.yml").read_text()))
    (directory / "metrics-token").write_text(token)
