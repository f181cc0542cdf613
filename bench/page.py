"""docs/benchmarks.md's figures and charts, and docs/scaling.md's tables, made of the latest results of each benchmark
in docs/benchmarks/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import made_part, scaling
from bench.charts import svg
from bench.costs import Stored
from bench.figures import Report
from bench.machine import ROOT
from bench.parts import PARTS
from bench.show import COLUMNS, cells, name_of

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = "benchmarks/results.json"
SCALING = "scaling.md"


def write(reports: Sequence[Report], facts: Mapping[str, str], page: Path = PAGE) -> None:
    """Put new results in the place of older ones, and make page and charts anew."""
    file = page.parent / RESULTS
    file.parent.mkdir(exist_ok=True)
    stored = load(page) | {report.benchmark: {"facts": dict(facts), "report": report.as_json()} for report in reports}
    stored = {name: stored[name] for name in PARTS if name in stored}
    file.write_text(json.dumps(stored, indent=1, ensure_ascii=False) + "\n")
    for name, text in charts(stored).items():
        (file.parent / name).write_text(text)
    page.write_text(renewed(page.read_text(), stored))
    if (sizes := page.parent / SCALING).exists():
        sizes.write_text(made_part.renewed(sizes.read_text(), scaling.lines(stored)))


def load(page: Path = PAGE) -> dict[str, Mapping[str, Any]]:
    """The results that the page was made of, none before the first were written."""
    file = page.parent / RESULTS
    return json.loads(file.read_text()) if file.exists() else {}


def renewed(text: str, stored: Stored) -> str:
    """The page with its made part as these results say."""
    return made_part.renewed(text, _lines(stored))


def charts(stored: Stored) -> dict[str, str]:
    """The charts, by the names of their files."""
    return {f"{chart.name}.svg": svg(chart) for report in _reports(stored) for chart in report.charts}


def _reports(stored: Stored) -> list[Report]:
    return [Report.of_json(one["report"]) for one in stored.values()]


def _lines(stored: Stored) -> list[str]:
    if not stored:
        return ["`make bench ARGS=--write` puts figures here."]
    lines = [f"| benchmark | what | {' | '.join(COLUMNS)} |", "|---|---|" + "---|" * len(COLUMNS)]
    for report in _reports(stored):
        lines += [
            f"| `{report.benchmark}` | {name_of(figure)} | {' | '.join(cells(figure))} |" for figure in report.figures
        ]
    lines += ["", *(f"- `{report.benchmark}`: {note}" for report in _reports(stored) for note in report.notes)]
    for report in _reports(stored):
        lines += ["", *(f"![{chart.title}](benchmarks/{chart.name}.svg)" for chart in report.charts)]
    return [*lines, "", *_measured(stored)]


def _measured(stored: Stored) -> list[str]:
    """Under what each was measured: one line for all that share it."""
    by_facts: dict[str, list[str]] = {}
    for name, one in stored.items():
        facts = " · ".join(f"{key} {value}" for key, value in one["facts"].items())
        by_facts.setdefault(facts, []).append(f"`{name}`")
    if len(by_facts) == 1:
        return [f"Measured on: {next(iter(by_facts))}."]
    return [f"- {', '.join(names)}: {facts}" for facts, names in by_facts.items()]
