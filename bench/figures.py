"""Measured figures, as JSON and as a table."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table


def percentile(values: Sequence[float], percent: float) -> float:
    """The percentile by nearest rank; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    `relay` and `other` hold one value a round; `against` names what `other` measures. `more`: higher is better. `mark`
    is what the ratio has to reach (or must not exceed, if lower is better); `limit` is what the relay's own value must
    not exceed.
    """

    name: str
    unit: str
    relay: tuple[float, ...]
    other: tuple[float, ...] = ()
    against: str = ""
    more: bool = True
    mark: float | None = None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios, relay to other: noise that affects both cancels out."""
        pairs = [relay / other for relay, other in zip(self.relay, self.other, strict=True) if other]
        return statistics.median(pairs) if pairs else None

    @property
    def reached(self) -> bool | None:
        """Whether mark and limit are met; None without either."""
        checks = []
        if self.mark is not None and self.ratio is not None:
            checks.append(self.ratio >= self.mark if self.more else self.ratio <= self.mark)
        if self.limit is not None:
            checks.append(statistics.median(self.relay) <= self.limit)
        return all(checks) if checks else None

    def as_json(self) -> dict[str, Any]:
        """The figure as JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "relay": self.relay,
            "other": self.other,
            "against": self.against or None,
            "ratio": self.ratio,
            "mark": self.mark,
            "limit": self.limit,
            "reached": self.reached,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The figures and notes of one benchmark."""

    benchmark: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = field(default=())


def show(reports: Sequence[Report], heading: str) -> None:
    """Prints the table."""
    table = Table(title=heading, title_justify="left", pad_edge=False)
    table.add_column("")
    for column in ("relay", "compared", "ratio", "mark", ""):
        table.add_column(column, justify="right")
    table.add_column("with")
    for report in reports:
        table.add_section()
        for figure in report.figures:
            table.add_row(f"{figure.name}, {figure.unit}", *_cells(figure))
    console = Console(width=None if sys.stdout.isatty() else 130)
    console.print(table)
    for report in reports:
        for note in report.notes:
            console.print(f"{report.benchmark}: {note}", highlight=False)


def _cells(figure: Figure) -> tuple[str, ...]:
    marks = [f"{'≥' if figure.more else '≤'} {figure.mark:g}×"] if figure.mark is not None else []
    marks += [f"≤ {figure.limit:g}"] if figure.limit is not None else []
    reached = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[figure.reached]
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}×"
    return _number(figure.relay), _number(figure.other), ratio, ", ".join(marks), reached, figure.against


def _number(values: Sequence[float]) -> str:
    if not values:
        return ""
    middle = statistics.median(values)
    return f"{middle:,.0f}" if middle >= 100 else f"{middle:.1f}"
