"""What a payment costs, from the latest results of each benchmark."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.figures import Report

Stored = Mapping[str, Mapping[str, Any]]
"""Of each benchmark its `report` and the `facts` under which it was measured."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of a payment: milliseconds of CPU by kind of process, KiB by place. None where it was not measured."""

    receiver: float | None = None
    workers: float | None = None
    redis: float | None = None
    postgres: float | None = None
    memory: float | None = None
    memory_without_history: float | None = None
    log: float | None = None
    sqlite_disk: float | None = None
    postgres_disk: float | None = None


def costs(stored: Stored) -> Costs:
    """From the latest results."""
    figures = {name: Report.of_json(one["report"]).figures for name, one in stored.items()}

    def median(benchmark: str, name: str) -> float | None:
        found = [figure for figure in figures.get(benchmark, ()) if figure.name == name]
        return statistics.median(found[0].relay) if found else None

    parts = _parts(stored)
    server = median("recording", "… the server")
    return Costs(
        receiver=parts.get("receiver"),
        workers=parts.get("workers"),
        redis=median("redis", "Redis CPU a payment"),
        postgres=None if server is None else server / 1000,
        memory=median("redis", "Redis memory a settled payment"),
        memory_without_history=median("history-away", "Redis memory a payment while history is away"),
        log=median("redis", "Redis' append-only file a payment"),
        sqlite_disk=median("disk", "history on disk a payment, SQLite"),
        postgres_disk=median("disk", "history on disk a payment, PostgreSQL"),
    )


def _parts(stored: Stored) -> Mapping[str, float]:
    """Milliseconds of CPU of the relay by kind of process."""
    charts = Report.of_json(stored["rate"]["report"]).charts if "rate" in stored else ()
    return next(
        (dict(bars) for chart in charts if chart.name == "cpu" for name, bars in chart.bars if name == "relay"), {}
    )
