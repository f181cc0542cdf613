"""docs/soak.md's made part, and the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bench import made_part
from bench.machine import ROOT
from bench.soak.checks import Check
from bench.soak.dashboard import Board
from bench.soak.drawing import svg
from bench.soak.outcome import Outcome
from bench.soak.times import Times

PAGE = ROOT / "docs" / "soak.md"
IMAGES = ROOT / "docs" / "images"
DASHBOARD = "dashboard.svg"
_PICTURES = {
    "console": "The web console under load",
    "console-redis-away": "The web console while Redis is away",
}


def write(outcome: Outcome, checks: Sequence[Check], times: Times, facts: Mapping[str, str], board: Board) -> None:
    """Put a run in the place of the one before; the pictures of pages are there already."""
    (IMAGES / DASHBOARD).write_text(svg(board, "The dashboard's panels with the data of the run"))
    PAGE.write_text(made_part.renewed(PAGE.read_text(), [*lines(outcome, checks, times, facts)]))


def lines(outcome: Outcome, checks: Sequence[Check], times: Times, facts: Mapping[str, str]) -> Iterator[str]:
    """The made part's lines."""
    kept, waits = outcome.kept, outcome.steady
    yield (
        f"{times.steady:g} s at {times.per_second} webhooks a second, {outcome.away_for:.0f} s without"
        f" Redis, {kept.sent:,} webhooks in all. From webhook to answer: p99 {waits.answer_p99:.0f} ms; to callback:"
        f" p50 {waits.callback_p50:.0f} ms, p95 {waits.callback_p95:.0f} ms. Callbacks that came twice:"
        f" {kept.repeated}."
    )
    yield from ("", "| what has to be so | is it | found |", "|---|---|---|")
    for check in checks:
        yield f"| {check.what} | {'yes' if check.holds else '**no**'} | {check.found} |"
    yield from ("", "| under steady load | of a core |", "|---|---|")
    yield from (f"| {name} | {share:.0%} |" for name, share in outcome.cpu.items())
    yield from ("", "| alert | fires, s after Redis stops | ends, s after Redis is back |", "|---|---|---|")
    for alert in outcome.alerts:
        ended = "" if alert.ended is None else f"{alert.ended:.0f}"
        yield f"| [{alert.name}]({alert.page}) | {alert.fired:.0f} | {ended} |"
    yield from ("", "### The console", "")
    for name, words in _PICTURES.items():
        yield from (*_picture(name, words), "")
    yield from ("### Alerts in Prometheus while Redis is away", "", "![Prometheus' page of alerts](images/alerts.png)")
    yield from ("", "### The dashboard", "", f"![Every panel with its data](images/{DASHBOARD})", "")
    yield f"Measured on: {' · '.join(f'{key} {value}' for key, value in facts.items())}."


def _picture(name: str, words: str) -> Sequence[str]:
    """Light or dark, as the reader's page is."""
    return (
        "<picture>",
        f'<source media="(prefers-color-scheme: dark)" srcset="images/{name}-dark.png">',
        f'<img alt="{words}" src="images/{name}-light.png">',
        "</picture>",
    )
