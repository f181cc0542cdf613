"""The alerts as Prometheus' own tool tries them, and the run books to which they lead."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from schemas.thresholds import FAR_BEHIND, LATE
from tests.support.headings import anchor
from tests.support.processes import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
RULES = (FOLDER / "rules.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)
RUNBOOKS = re.findall(r'runbook_url: "\{\{ \$externalLabels\.relay_docs \}\}/operating\.md#([\w-]+)"', RULES)


def promtool(*arguments: str, directory: Path = FOLDER) -> tuple[int, str]:
    """Exit status and output."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run([program, *arguments], cwd=directory, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_each_alert_fires_as_it_should() -> None:
    """With its labels, its words and its run book, and not a moment earlier."""
    status, output = promtool("test", "rules", "rules.test.yml")
    assert status == 0, output


def test_each_alert_is_tried_with_and_without_trouble() -> None:
    """`promtool` says nothing of an alert that no case names."""
    cases = (FOLDER / "rules.test.yml").read_text()
    silent = re.findall(r"- \{ alertname: (\w+), eval_time: \w+ \}", cases)
    firing = re.findall(r"- alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:\n +- exp_labels:", cases)
    assert set(silent) == set(firing) == set(ALERTS)
    assert Counter(ALERTS).most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    ("gauge", "limit"),
    [
        ("relay_oldest_look_seconds", LATE),
        ("relay_oldest_delivery_seconds", LATE),
        ("relay_history_behind_seconds", FAR_BEHIND),
    ],
)
def test_alerts_fire_when_console_and_doctor_warn(gauge: str, limit: float) -> None:
    """The limits that all three share are the same."""
    assert re.findall(rf"\({gauge}\) > (\d+)", RULES) == [f"{limit:.0f}"]


@pytest.mark.parametrize("comparison", ["== 0", "> 0.8", "> 60"])
def test_a_changed_rule_is_noticed(comparison: str, tmp_path: Path) -> None:
    """The cases are near the limits: with another one they fail."""
    (tmp_path / "rules.yml").write_text(RULES.replace(comparison, "> 1e9"))
    shutil.copy(FOLDER / "rules.test.yml", tmp_path)
    status, output = promtool("test", "rules", "rules.test.yml", directory=tmp_path)
    assert (status, "FAILED" in output) == (1, True)


def test_the_scrape_configuration_is_valid(tmp_path: Path) -> None:
    """With the token in its place beside it."""
    for name in ("prometheus.yml", "rules.yml"):
        shutil.copy(FOLDER / name, tmp_path)
    (tmp_path / "metrics-token").write_text("token")
    status, output = promtool("check", "config", "prometheus.yml", directory=tmp_path)
    assert (status, f"{len(ALERTS)} rules found" in output) == (0, True), output


def test_each_alert_leads_to_a_run_book() -> None:
    """A heading of docs/operating.md, below "Run books", whose text names the alert."""
    runbooks = (ROOT / "docs" / "operating.md").read_text().partition("\n# Run books\n")[2]
    sections = re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", runbooks, re.MULTILINE)
    texts = {anchor(heading): text for heading, text in sections}
    assert len(RUNBOOKS) == len(ALERTS)
    assert [alert for alert, place in zip(ALERTS, RUNBOOKS, strict=True) if alert not in texts.get(place, "")] == []
