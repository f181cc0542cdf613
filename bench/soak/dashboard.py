"""The dashboard of deploy/grafana with the data of a run: each panel's queries, asked as Grafana asks them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.machine import ROOT
from tests.support.prometheus import Prometheus

FILE = ROOT / "deploy" / "grafana" / "dashboards" / "iamport-relay.json"
STEP = 10.0
RATE_INTERVAL = "40s"
"""What Grafana makes of `$__rate_interval` for a data source that is scraped every ten seconds: four times that."""

Points = Sequence[tuple[float, float]]
"""UNIX seconds and values; where there was none a point is missing."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel as the dashboard's file has it."""

    kind: str
    title: str
    x: int
    y: int
    w: int
    h: int
    defaults: Mapping[str, Any]

    @property
    def unit(self) -> str:
        """Grafana's name of it."""
        return str(self.defaults.get("unit", "none"))

    def colour(self, value: float) -> str:
        """Of a value by the panel's thresholds, by Grafana's name."""
        steps = self.defaults["thresholds"]["steps"]
        return str(next(one["color"] for one in reversed(steps) if one["value"] is None or value >= one["value"]))

    def text(self, value: float) -> str | None:
        """The word that the panel has for a value, if any."""
        for mapping in self.defaults.get("mappings", ()):
            if (found := mapping["options"].get(f"{value:g}")) is not None:
                return str(found["text"])
        return None


@dataclass(frozen=True, slots=True)
class Filled:
    """A panel with what its queries gave, by the legend's words."""

    panel: Panel
    series: Sequence[tuple[str, Points]]


@dataclass(frozen=True, slots=True)
class Board:
    """The dashboard from `begin` to `end` (UNIX seconds); `alerts` says when each fired, which it draws as well."""

    begin: float
    end: float
    panels: Sequence[Filled]
    alerts: Sequence[tuple[str, Points]]


async def filled(watcher: Prometheus, begin: float, end: float) -> Board:
    """The dashboard with the data of this time."""
    dashboard = json.loads(FILE.read_text())

    async def ask(expression: str, legend: str) -> list[tuple[str, Points]]:
        expression = expression.replace("$__rate_interval", RATE_INTERVAL)
        rows = await watcher.query_range(expression, begin, end, STEP)
        return [(_legend(legend, row["metric"]), _points(row["values"])) for row in rows]

    panels = []
    for one in dashboard["panels"]:
        defaults = one.get("fieldConfig", {}).get("defaults", {})
        panel = Panel(one["type"], one["title"], **one["gridPos"], defaults=defaults)
        asked = [await ask(target["expr"], target["legendFormat"]) for target in one.get("targets", ())]
        panels.append(Filled(panel, [series for found in asked for series in found]))
    (note,) = dashboard["annotations"]["list"]
    return Board(begin, end, panels, await ask(note["expr"], note["titleFormat"]))


def _legend(template: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template)


def _points(values: Sequence[tuple[float, str]]) -> Points:
    return [(at, float(value)) for at, value in values if math.isfinite(float(value))]
