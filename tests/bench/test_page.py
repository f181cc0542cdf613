"""docs/benchmarks.md is what its results say, and says how each was measured."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

from bench import made_part, page
from bench.charts import WIDTH, svg
from bench.figures import Chart, Figure, Report
from bench.parts import PARTS

FACTS = {"cores": "2", "Redis": "7.0"}
TEXT = f"Before.\n{made_part.BEGIN}\nold\n{made_part.END}\nAfter.\n"


def report(name: str, *rounds: float) -> Report:
    """What a benchmark found that ran for so many rounds."""
    chart = Chart(f"{name}-chart", f"Bars of {name}", "/s", (("relay", {"a": 8.0, "b": 2.0}), ("peer <&>", {"a": 5.0})))
    return Report(name, (Figure(f"what {name} is", "/s", rounds, (1.0,) * len(rounds), "peer", True, 5, 8),), (chart,))


def written(folder: Path) -> str:
    """The page in a folder."""
    return (folder / "benchmarks.md").read_text()


def test_results_come_between_the_markers(tmp_path: Path) -> None:
    """With medians, ratios, marks, charts and what it was measured on; the rest of the page stays."""
    file = tmp_path / "benchmarks.md"
    file.write_text(TEXT)
    page.write([report("ack", 5.0, 6.0, 9.0)], FACTS, file)
    text = written(tmp_path)
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "old" not in text
    assert "| `ack` | what ack is, /s | 6.00 | 1.00 | 6.00× | ≥ 5× | ≥ 8× | at least | peer |" in text
    assert "![Bars of ack](benchmarks/ack-chart.svg)" in text
    assert "Measured on: cores 2 · Redis 7.0." in text
    assert (tmp_path / "benchmarks" / "ack-chart.svg").read_text().startswith("<svg")


def test_a_benchmark_that_is_measured_again_replaces_its_figures_only(tmp_path: Path) -> None:
    """The others stay with the facts of their own, in the order in which all are measured."""
    file = tmp_path / "benchmarks.md"
    file.write_text(TEXT)
    page.write([report("ack", 6.0), report("idle", 7.0)], FACTS, file)
    page.write([report("ack", 2.0), report("rate", 9.0)], {**FACTS, "cores": "4"}, file)
    text = written(tmp_path)
    assert re.findall(r"^\| `(\S+)` \|.*?\| (\S+) \|", text, re.MULTILINE) == [
        ("rate", "9.00"), ("ack", "2.00"), ("idle", "7.00"),
    ]  # fmt: skip
    assert "- `rate`, `ack`: cores 4 · Redis 7.0\n- `idle`: cores 2 · Redis 7.0" in text


def test_the_page_is_what_its_results_say() -> None:
    """Figures and charts of the repository were made by the code that is there, of the results that are there."""
    stored = page.load()
    text = page.PAGE.read_text()
    assert page.renewed(text, stored) == text
    folder = page.PAGE.parent / "benchmarks"
    assert {path.name: path.read_text() for path in folder.glob("*.svg")} == page.charts(stored)


def test_every_benchmark_says_how_it_is_measured() -> None:
    """The page has a row for each, and for no other."""
    section = page.PAGE.read_text().partition("## What is measured")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\S+)` \|", section, re.MULTILINE)) == set(PARTS)


def test_a_chart_shows_bars_in_proportion() -> None:
    """Well-formed, whatever a label holds; a bar's parts follow each other, and all fit into the picture."""
    (chart,) = report("ack", 1.0).charts
    root = ET.fromstring(svg(chart))  # noqa: S314  # it is our own
    name = "{http://www.w3.org/2000/svg}"
    bars = [one for one in root.iter(f"{name}rect") if one.get("height") == "20"]
    x, width = ([float(one.get(what, "")) for one in bars] for what in ("x", "width"))
    assert width[0] == 4 * width[1]
    assert abs(x[1] - x[0] - width[0]) < 0.2
    assert max(a + b for a, b in zip(x, width, strict=True)) < WIDTH
    assert "peer <&>: 5.00 /s" in "".join(root.itertext())
