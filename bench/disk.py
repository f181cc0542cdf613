"""History's size on disk: bytes a payment with its notification, event, delivery and attempt, in both databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg

from bench.figures import Figure, Report
from bench.filling import fill
from bench.full_histories import NO_POSTGRES, postgres
from bench.machine import Machine
from bench.plan import Plan
from history import History
from runtime.history_url import parse

PAYMENTS = 50_000


async def run(machine: Machine, plan: Plan) -> Report:
    """How much larger a database is with so many payments than without any, its indexes included."""
    payments, file = plan.size(PAYMENTS, 400), machine.folder / "disk.db"
    figures = [_figure("SQLite", await _grown(f"sqlite:///{file}", payments, lambda: _of_file(file)))]
    with postgres() as database:
        if database is not None:
            url = database.create("disk")
            figures.append(_figure("PostgreSQL", await _grown(url, payments, lambda: _of_database(url))))
    return Report("disk", tuple(figures), notes=() if len(figures) > 1 else (NO_POSTGRES,))


def _figure(name: str, size: float) -> Figure:
    return Figure(f"history on disk a payment, {name}", "KiB", (size / 1024,), more=False)


async def _grown(url: str, payments: int, size: Callable[[], int]) -> float:
    """Bytes a payment."""
    history = History.connect(parse(url))
    try:
        await history.prepare()
        empty = size()
        await fill(history, payments)
    finally:
        await history.close()
    return (size() - empty) / payments


def _of_file(file: Path) -> int:
    """Of the database without its log, which is written into it here and then starts again."""
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return file.stat().st_size


def _of_database(url: str) -> int:
    """What PostgreSQL says, without its log, whose size has a limit of its own."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])
