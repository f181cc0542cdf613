"""docs/scaling.md's made part: what a payment costs, and how many machines that makes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.costs import Costs, Stored, costs
from bench.figures import Figure, Report
from bench.show import name_of, number

BUSIEST = 5.0
"""How many times more payments there are in the busiest minute than on average over the day."""
SHARE = 0.5
"""Of a core, and of `maxmemory`, that is used at most: the rest is for a backlog, a lost machine, and growth."""
DAY = 86_400
RETENTION = 2
"""Days, of `RELAY_LEDGER_RETENTION`."""
CORES = 4
"""Of a machine for receivers and workers."""
LARGEST = 64 * 2.0**30
"""Bytes of memory of one Redis: with more it takes minutes to start, as it reads its log."""
SMALL, SMALL_MEMORY = 2, 16 * 2.0**30
"""Cores, and bytes for Redis, of a machine that has everything."""
PAYMENTS = (10_000, 100_000, 1_000_000, 5_000_000, 20_000_000, 100_000_000)
UNKNOWN = "not measured"
_COLUMNS = (
    "payments a day", "busiest minute, /s", "receivers and workers", "Redis", "`maxmemory`", "PostgreSQL",
    "history a year",
)  # fmt: skip


def lines(stored: Stored) -> list[str]:
    """The made part's lines."""
    found = costs(stored)
    return [*_of_a_payment(found), "", *_carried(found), "", *_compared(stored), "", *_machines(found)]


def _of_a_payment(found: Costs) -> Iterator[str]:
    yield from ("### What a payment costs", "", "| what | of | measured by |", "|---|---|---|")
    rows = (
        ("CPU of the receiver", _ms(found.receiver), "rate"),
        ("CPU of the workers, recording in SQLite included", _ms(found.workers), "rate"),
        ("CPU of Redis", _ms(found.redis), "redis"),
        ("CPU of PostgreSQL", _ms(found.postgres), "recording"),
        ("Redis' memory, from then on", _kib(found.memory), "redis"),
        ("… while history is away, until it is back", _kib(found.memory_without_history), "history-away"),
        ("Redis' append-only file, until it is rewritten", _kib(found.log), "redis"),
        ("history on disk, SQLite", _kib(found.sqlite_disk), "disk"),
        ("history on disk, PostgreSQL", _kib(found.postgres_disk), "disk"),
    )
    yield from (f"| {what} | {value} | `{benchmark}` |" for what, value, benchmark in rows)


def _carried(found: Costs) -> Iterator[str]:
    """At `SHARE` of a core in the busiest minute."""
    yield from (
        "### What one of each carries",
        "",
        f"| at {SHARE:.0%} of a core | payments a second | payments a day |",
    )
    yield "|---|---|---|"
    for what, ms in (
        ("a receiver", found.receiver),
        ("a worker process", found.workers),
        ("a Redis", found.redis),
        ("a core of PostgreSQL", found.postgres),
    ):
        a_second = None if ms is None else SHARE * 1000 / ms
        day = UNKNOWN if a_second is None else _about(a_second * DAY / BUSIEST)
        yield f"| {what} | {UNKNOWN if a_second is None else f'{a_second:,.0f}'} | {day} |"


def _compared(stored: Stored) -> Iterator[str]:
    """Each figure of what is spread, with what it was compared with."""
    yield from (
        "### What spreading costs",
        "",
        "| | spread | compared | ratio | compared with |",
        "|---|---|---|---|---|",
    )
    for name in ("apart", "replica", "cluster"):
        figures = Report.of_json(stored[name]["report"]).figures if name in stored else ()
        yield from map(_row, figures) if figures else (f"| `{name}` | {UNKNOWN} | | | |",)


def _row(figure: Figure) -> str:
    return _line(name_of(figure), number(figure.relay), number(figure.other), f"{figure.ratio:.2f}×", figure.against)


def _machines(found: Costs) -> Iterator[str]:
    yield from ("### Payments a day → machines", "")
    yield f"| {' | '.join(_COLUMNS)} |"
    yield "|---" * len(_COLUMNS) + "|"
    yield from (_machines_for(payments, found) for payments in PAYMENTS)


def _machines_for(payments: int, found: Costs) -> str:
    peak = payments / DAY * BUSIEST
    needed = (found.receiver, found.workers, found.redis, found.postgres, found.memory, found.postgres_disk)
    if None in needed:
        return _line(f"{payments:,}", f"{peak:,.1f}", UNKNOWN, "", "", "", "")
    receiver, workers, redis, postgres, memory, disk = (value or 0.0 for value in needed)

    def cores(ms: float) -> float:
        return peak * ms / 1000 / SHARE

    needs = payments * RETENTION * memory / SHARE * 1024
    application = f"{max(2, math.ceil(cores(receiver + workers) / CORES))} machines with {CORES} cores"
    primaries = max(math.ceil(cores(redis)), math.ceil(needs / LARGEST))
    servers = "one and a replica" if primaries == 1 else f"a Cluster of {primaries} primaries, each with a replica"
    database = f"{max(2, math.ceil(cores(postgres)))} cores, and a standby"
    if cores(receiver + workers + redis + postgres) <= SMALL and needs <= SMALL_MEMORY:
        application, servers, database = f"one machine with {SMALL} cores for everything", "on it", "on it"
    year = _bytes(payments * 365 * disk * 1024)
    maxmemory = _memory(needs / primaries) + (" each" if primaries > 1 else "")
    return _line(f"{payments:,}", f"{peak:,.1f}", application, servers, maxmemory, database, year)


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _ms(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f} ms"


def _kib(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f} KiB"


def _memory(size: float) -> str:
    """The next power of two, from 256 MiB on: sizes that machines have."""
    return _bytes(max(2.0**28, 2.0 ** math.ceil(math.log2(size))))


def _bytes(size: float) -> str:
    factor, unit = next(one for one in ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB")) if size >= one[0])
    found = size / factor
    return f"{found:,.0f} {unit}" if found >= 100 else f"{found:.3g} {unit}"


def _about(number: float) -> str:
    """With two digits that mean something."""
    digits = max(0, math.floor(math.log10(number)) - 1)
    return f"{round(number, -digits):,.0f}"
