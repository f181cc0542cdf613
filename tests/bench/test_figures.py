"""Figures: ratios are taken within a round, and what has to be reached is judged by the right number."""

from __future__ import annotations

import json

import pytest

from bench.figures import Chart, Figure, Report, Verdict, percentile
from bench.plan import Plan
from bench.running import spent


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    """A round in which the machine was slow for both does not change it."""
    assert Figure("rate", "/s", relay=(800, 80, 700), other=(100, 10, 100)).ratio == 8
    assert Figure("rate", "/s", relay=(800,)).ratio is None


@pytest.mark.parametrize(
    ("relay", "more", "verdict"),
    [(800, True, "goal"), (500, True, "least"), (499, True, "missed"), (80, False, "goal"), (801, False, "missed")],
)
def test_a_compared_figure_is_judged_by_its_ratio(relay: float, more: bool, verdict: Verdict) -> None:
    """More is better, or less is, and the marks themselves are reached."""
    least, goal = (5, 8) if more else (8, 5)
    assert Figure("x", "", (relay,), (100,), "peer", more, least, goal).verdict == verdict


def test_a_figure_of_its_own_is_judged_by_its_median() -> None:
    """So is one that is compared with something but `absolute`; without a mark there is nothing to reach."""
    assert Figure("cpu", "ms", (0.9, 0.6, 0.7), more=False, least=0.7, goal=0.5).verdict == "least"
    assert Figure("late", "ms", (400,), (1,), "none", more=False, least=500, absolute=True).verdict == "least"
    assert Figure("late", "ms", (400,), (1,), "none", more=False).verdict is None


def test_percentiles_are_values_that_were_measured() -> None:
    """By nearest rank; the highest is the last."""
    values = list(range(100, 0, -1))
    assert [percentile(values, percent) for percent in (50, 95, 100)] == [51, 96, 100]
    assert percentile([], 50) == 0


def test_cpu_is_counted_by_payment() -> None:
    """Seconds before and after become milliseconds a payment."""
    assert spent({"Redis": 1.0}, {"Redis": 3.0}, payments=1000) == {"Redis": 2.0}


def test_a_report_survives_json() -> None:
    """What is written into a file makes the same page again."""
    figure = Figure("rate", "/s", (2.0,), (1.0,), "peer", least=1.3)
    report = Report("rate", (figure,), (Chart("rate", "Rate", "/s", (("relay", {"all": 2.0}),)),), ("a note",))
    assert Report.of_json(json.loads(json.dumps(report.as_json()))) == report


def test_moments_are_the_seeds() -> None:
    """One seed gives the same moments to each system, and others to the next round."""
    plan = Plan(seed=7)
    moments = plan.moments(0, 200, 2)
    assert moments == sorted(plan.moments(0, 200, 2))
    assert len(moments) == 400
    assert 0 <= moments[0] <= moments[-1] <= 2
    assert moments != plan.moments(1, 200, 2)
