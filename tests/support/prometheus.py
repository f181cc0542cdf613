"""A real Prometheus, configured as deploy/prometheus/ does it, which scrapes what a test or the soak run started."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.clients import http_client
from tests.support.processes import ROOT, Processes
from tests.support.waiting import until

FOLDER = ROOT / "deploy" / "prometheus"
DOCS = "https://docs.example.com/iamport-relay"
OF_SCRAPES = frozenset({"RelayProcessDown", "RelayNoData"})
"""What fires when a scrape takes longer than a quick Prometheus waits, one second: on a busy machine one may."""
_DISCOVERY = re.compile(r"dns_sd_configs: \[\{ names: \[(\w+)\].*\]")


@dataclass(frozen=True, slots=True)
class Alert:
    """One that is `pending` or `firing`."""

    name: str
    state: str
    runbook_url: str


class Prometheus:
    """The one at a port of loopback. ``client`` asks its API; ``output`` is what it has printed."""

    def __init__(self, port: int, output: Callable[[], str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.client = http_client(self.url)
        self._output = output

    async def ready(self) -> None:
        """Wait until it answers."""

        async def answers() -> bool:
            return (await self.client.get("/-/ready")).status_code == 200

        await until(answers, lambda: f"Prometheus is ready:\n{self._output()}", despite=(httpx.TransportError,))

    async def query(self, expression: str) -> list[Any]:
        """The series that an expression gives now."""
        result: list[Any] = (await self._get("query", query=expression))["result"]
        return result

    async def query_range(self, expression: str, begin: float, end: float, step: float) -> list[Any]:
        """The series that an expression gives from one moment to another (UNIX seconds), every so many seconds."""
        asked = {"query": expression, "start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        result: list[Any] = (await self._get("query_range", **asked))["result"]
        return result

    async def names(self) -> set[str]:
        """The names of all metrics it has."""
        return set(await self._get("label/__name__/values"))

    async def rules(self) -> list[Mapping[str, Any]]:
        """Each rule with its `health`, `lastError` and `lastEvaluation`."""
        (group,) = (await self._get("rules"))["groups"]
        rules: list[Mapping[str, Any]] = group["rules"]
        return rules

    async def alerts(self) -> list[Alert]:
        """Those that are pending or firing."""
        return [
            Alert(one["labels"]["alertname"], one["state"], one["annotations"]["runbook_url"])
            for one in (await self._get("alerts"))["alerts"]
        ]

    async def firing(self) -> Mapping[str, str]:
        """The alerts that fire, with their `runbook_url`."""
        return {one.name: one.runbook_url for one in await self.alerts() if one.state == "firing"}

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
    configure(directory, targets, token, quick=True)
    process = processes.run("prometheus", command(program, directory, port))
    return Prometheus(port, lambda: process.output)


def command(program: str, directory: Path, port: int) -> list[str]:
    """How to run it at a port of loopback with what `configure` has written; its data are in the same directory, from
    which it runs: its pages name files as they were given."""
    return [
        "env",
        f"--chdir={directory}",
        program,
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def configure(directory: Path, targets: Mapping[str, Sequence[str]], token: str, *, quick: bool) -> None:
    """Write deploy/prometheus/ with these targets of each service into a new directory. ``quick``: it looks every
    second, and an alert fires after one."""
    directory.mkdir()

    def static(found: re.Match[str]) -> str:
        return f"static_configs: [{{ targets: {[*targets[found[1]]]} }}]"

    text, count = _DISCOVERY.subn(static, (FOLDER / "prometheus.yml").read_text())
    rules = (FOLDER / "rules.yml").read_text()
    assert count == len(targets)
    assert DOCS in text
    if quick:
        text, rules = re.sub(r"_interval: \w+", "_interval: 1s", text), re.sub(r" for: \w+", " for: 1s", rules)
    (directory / "prometheus.yml").write_text(text)
    (directory / "rules.yml").write_text(rules)
    (directory / "metrics-token").write_text(token)
