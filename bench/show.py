"""Figures as a table on a terminal, and in words that a page uses as well."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Report

COLUMNS = ("relay", "compared", "ratio", "at least", "goal", "reached", "compared with")
_STYLES = {"goal": "green", "least": "yellow", "missed": "red"}
REACHED = {"goal": "goal", "least": "at least", "missed": "no", None: ""}


def cells(figure: Figure) -> tuple[str, ...]:
    """What each of `COLUMNS` says of a figure."""
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}×"
    marks = (_mark(figure, mark) for mark in (figure.least, figure.goal))
    return number(figure.relay), number(figure.other), ratio, *marks, REACHED[figure.verdict], figure.against


def name_of(figure: Figure) -> str:
    """Its name and unit."""
    return f"{figure.name}, {figure.unit}" if figure.unit else figure.name


def number(values: Sequence[float]) -> str:
    """The median of the rounds, with as many digits as tell something."""
    if not values:
        return ""
    middle = statistics.median(values)
    return f"{middle:,.0f}" if middle >= 100 else f"{middle:.1f}" if middle >= 10 else f"{middle:.2f}"


def show(reports: Sequence[Report], heading: str) -> None:
    """Prints the table."""
    table = Table(title=heading, title_justify="left", pad_edge=False)
    table.add_column("")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == COLUMNS[-1] else "right")
    for report in reports:
        table.add_section()
        for figure in report.figures:
            texts = list(cells(figure))
            if figure.verdict:
                texts[5] = f"[{_STYLES[figure.verdict]}]{texts[5]}[/]"
            table.add_row(name_of(figure), *texts)
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    for report in reports:
        for note in report.notes:
            console.print(f"{report.benchmark}: {note}", highlight=False)


def _mark(figure: Figure, mark: float | None) -> str:
    if mark is None:
        return ""
    return f"{'≥' if figure.more else '≤'} {mark:g}{'×' if figure.by_ratio else ''}"
