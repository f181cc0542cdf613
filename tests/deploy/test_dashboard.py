"""The dashboard as a file: tests/end_to_end/test_alerts.py runs its queries."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from tests.support.processes import ROOT

FOLDER = ROOT / "deploy" / "grafana"
TEXT = (FOLDER / "dashboards" / "iamport-relay.json").read_text()
DASHBOARD = json.loads(TEXT)
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
WIDTH = 24


def test_every_documented_metric_is_shown() -> None:
    """What docs/operating.md lists has a panel."""
    table = (ROOT / "docs" / "operating.md").read_text().partition("\n## Metrics\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(relay_\w+)` \|", table, re.MULTILINE)
    shown = " ".join(target["expr"] for panel in PANELS for target in panel.get("targets", ()))
    assert documented
    assert [name for name in documented if name not in shown] == []


def test_panels_lie_side_by_side() -> None:
    """Each has a number of its own, fits into the page and covers no other."""
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    covered = [place for panel in PANELS for place in _places(panel["gridPos"])]
    assert len(set(covered)) == len(covered)
    assert max(x for x, _ in covered) < WIDTH


def test_it_asks_the_data_source_that_is_provisioned() -> None:
    """By the variable, whose first value is that data source."""
    (variable,) = DASHBOARD["templating"]["list"]
    (uid,) = re.findall(r"uid: (\w+)", (FOLDER / "datasources" / "prometheus.yml").read_text())
    assert variable["current"]["value"] == uid
    sources = {panel["datasource"]["uid"] for panel in PANELS if panel["type"] != "row"}
    assert sources == {f"${{{variable['name']}}}"}


def test_grafana_finds_it() -> None:
    """deploy/grafana is mounted as Grafana's folder of provisioning, and the provider names the dashboards in it."""
    (path,) = re.findall(r"path: (\S+)", (FOLDER / "dashboards" / "dashboards.yml").read_text())
    provisioned = path.partition("/etc/grafana/provisioning/")[2].strip(" }")
    assert [file.name for file in (FOLDER / provisioned).glob("*.json")] == ["iamport-relay.json"]


def _places(grid: dict[str, int]) -> itertools.product[tuple[int, int]]:
    return itertools.product(range(grid["x"], grid["x"] + grid["w"]), range(grid["y"], grid["y"] + grid["h"]))
