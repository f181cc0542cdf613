"""docs/scaling.md is what the results say, and names what there is."""

from __future__ import annotations

import re

import pytest

from bench import made_part, page
from bench.costs import Costs, costs
from bench.figures import Chart, Figure, Report
from bench.scaling import lines
from tests.support.processes import ROOT

TEXT = (ROOT / "docs" / "scaling.md").read_text()


def measured(*reports: Report) -> dict[str, dict[str, object]]:
    """Results as they are stored."""
    return {one.benchmark: {"facts": {}, "report": one.as_json()} for one in reports}


def figure(name: str, *rounds: float) -> Figure:
    """One that is compared with nothing."""
    return Figure(name, "ms", rounds, more=False)


MEASURED = measured(
    Report("rate", (), (Chart("cpu", "CPU", "ms", (("relay", {"receiver": 0.1, "workers": 0.8, "Redis": 9.0}),)),)),
    Report("redis", (figure("Redis CPU a payment", 0.3, 0.2, 0.1), figure("Redis memory a settled payment", 2.0))),
    Report("recording", (figure("… the server", 100.0),)),
    Report("disk", (figure("history on disk a payment, PostgreSQL", 3.0),)),
    Report("apart", (Figure("end to end", "/s", (900.0,), (1000.0,), "all on one host"),)),
)


def row(payments: str) -> list[str]:
    """A row of the last table, by its number of payments."""
    found = next(line for line in lines(MEASURED) if line.startswith(f"| {payments} |"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_costs_are_medians_of_the_results() -> None:
    """Each from the benchmark that measures it, in milliseconds and KiB."""
    expected = Costs(receiver=0.1, workers=0.8, redis=0.2, postgres=0.1, memory=2.0, postgres_disk=3.0)
    assert costs(MEASURED) == expected
    assert costs({}) == Costs()


@pytest.mark.parametrize(
    ("payments", "cells"),
    [
        ("100,000", ["5.8", "one machine with 2 cores for everything", "on it", "1 GiB", "on it", "104 GiB"]),
        (
            "20,000,000",
            ["1,157.4", "2 machines with 4 cores", "a Cluster of 3 primaries, each with a replica", "64 GiB each",
             "2 cores, and a standby", "20.4 TiB"],
        ),
        (
            "100,000,000",
            [
                "5,787.0", "3 machines with 4 cores", "a Cluster of 12 primaries, each with a replica", "64 GiB each",
                "2 cores, and a standby", "102 TiB",
            ],
        ),
    ],
)  # fmt: skip
def test_machines_follow_from_costs(payments: str, cells: list[str]) -> None:
    """Half of a core in a minute that is five times as busy as the average: cores, memory of two days, disk."""
    assert row(payments)[1:] == cells


def test_what_was_not_measured_says_so() -> None:
    """Instead of being left out, or counted as nothing."""
    text = "\n".join(lines({}))
    assert "| CPU of Redis | not measured | `redis` |" in text
    assert "| 10,000 | 0.6 | not measured |" in text
    assert "| end to end, /s | 900 | 1,000 | 0.90× | all on one host |" in "\n".join(lines(MEASURED))


def test_the_page_is_what_its_results_say() -> None:
    """Its tables were made by the code that is there, of the results that are there."""
    assert made_part.renewed(TEXT, lines(page.load())) == TEXT


def test_metrics_and_alerts_are_those_that_there_are() -> None:
    """docs/operating.md explains each metric, and the rules have each alert."""
    operating = (ROOT / "docs" / "operating.md").read_text()
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
    metrics, alerts = set(re.findall(r"`(relay_\w+)`", TEXT)), set(re.findall(r"`(Relay\w+)`", TEXT))
    assert [name for name in metrics if f"| `{name}` |" not in operating] == []
    assert [name for name in alerts if f"alert: {name}\n" not in rules] == []
    assert len(metrics) > 10
    assert len(alerts) > 5
