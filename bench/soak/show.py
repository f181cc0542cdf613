"""What a run found, as a short table on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.soak.checks import Check
from bench.soak.outcome import Outcome


def show(outcome: Outcome, checks: Sequence[Check]) -> None:
    """Prints it."""
    table = Table(pad_edge=False)
    for column in ("what has to be so", "", "found"):
        table.add_column(column)
    for check in checks:
        table.add_row(check.what, "[green]yes[/]" if check.holds else "[red]no[/]", check.found)
    console = Console(width=None if sys.stdout.isatty() else 130, highlight=False)
    console.print(table)
    waits = outcome.steady
    console.print(
        f"webhook to answer p99 {waits.answer_p99:.0f} ms · to callback p50 {waits.callback_p50:.0f} ms,"
        f" p95 {waits.callback_p95:.0f} ms"
    )
    console.print("CPU: " + ", ".join(f"{name} {share:.0%}" for name, share in outcome.cpu.items()))
    fired = (f"{one.name} fired after {one.fired:.0f} s" for one in outcome.alerts)
    console.print(f"Redis was away for {outcome.away_for:.0f} s; {', '.join(fired)}")
