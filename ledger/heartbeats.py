"""Heartbeats that workers write, so that operators see when none runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import orjson

from ledger.rows import paired
from ledger.store import Store
from schemas.reasons import Reason
from schemas.reasons.reason import of_row

REPORT_EVERY = 5.0
QUIET_AFTER = 30.0
"""Seconds between two heartbeats; seconds without one after which a worker counts as quiet (killed, hung, cut off)."""
REMOVED_AFTER_MS = 600_000
"""How long a quiet worker is listed."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A worker's report: for how many seconds it has been `up`, the `lane` that it last worked on and how many seconds
    `ago` that was, and what keeps it from working."""

    version: str
    up: float
    lane: str | None
    ago: float | None
    trouble: Reason | None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as it was `seen_at`; times are UNIX seconds of Redis' clock. `quiet`: no heartbeat since."""

    name: str
    version: str
    since: float
    seen_at: float
    quiet: bool
    last_lane: str | None
    last_at: float | None
    trouble: Reason | None


class Heartbeats:
    """The workers that have reported within the last ten minutes."""

    def __init__(self, shared: Store) -> None:
        self._store = shared

    async def report(self, name: str, sign: Heartbeat) -> None:
        """Store a worker's heartbeat. Raises `LedgerUnavailable`."""
        await self._store.run("report_worker", name, orjson.dumps(asdict(sign)), REMOVED_AFTER_MS)

    async def sign_off(self, name: str) -> None:
        """Remove a worker that stops as it should. Raises `LedgerUnavailable`."""
        await self._store.run("remove_worker", name)

    async def all(self) -> tuple[Worker, ...]:
        """Workers that run, the longest first, then quiet ones. Raises `LedgerUnavailable`."""
        now, rows = await self._store.run("read_workers")
        found = (_worker(name, row, int(now) / 1000) for name, row in paired(rows).items())
        return tuple(sorted(found, key=lambda worker: (worker.quiet, worker.since, worker.name)))


def running(workers: Iterable[Worker]) -> int:
    """How many of these are not quiet."""
    return sum(not worker.quiet for worker in workers)


def _worker(name: str, row: bytes, now: float) -> Worker:
    when, _, text = row.partition(b":")
    report, at = orjson.loads(text), int(when) / 1000
    # A worker of another version may report more fields, or fewer.
    sign = Heartbeat(
        report.get("version", "?"),
        report.get("up", 0.0),
        report.get("lane"),
        report.get("ago"),
        None if report.get("trouble") is None else of_row(report["trouble"]),
    )
    return Worker(
        name=name,
        version=sign.version,
        since=at - sign.up,
        seen_at=at,
        # A heartbeat from the future was stored before Redis' clock was put back.
        quiet=abs(now - at) > QUIET_AFTER,
        last_lane=sign.lane,
        last_at=None if sign.ago is None else at - sign.ago,
        trouble=sign.trouble,
    )
