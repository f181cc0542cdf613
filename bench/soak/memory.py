"""The memory of each process while the relay is under load, and whether it is flat.

What a process holds at rest is compared in two fifths: the second one (of ten minutes the third and the fourth) with
the last one. In the first fifth processes still grow: pools open, caches fill, the allocator gets its arenas. At rest
are the samples of the lowest tenth: a worker that reconciles holds more for a while, and a run takes the longer the
more payments there are. A leak raises all samples. What it would cost is the difference by the webhooks in between.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.soak.stage import Stage

MOST_SHARE, MOST_BYTES = 0.05, 3 * 2**20
"""By how much memory may grow and count as flat: whichever is more."""

_VACUUMS = "autovacuum worker"

Read = Callable[[], int]
Samples = Sequence[tuple[float, int]]
"""Seconds of `perf_counter`, and bytes."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes of a process early and late, and of that what it grew by for each webhook in between. `judged` is False
    where growing is what it does: Prometheus keeps two hours in memory."""

    name: str
    early: float
    late: float
    a_webhook: float
    judged: bool = True

    @property
    def is_flat(self) -> bool:
        """Whether it has not grown by more than noise."""
        return self.late - self.early <= max(MOST_SHARE * self.early, MOST_BYTES)


def resident(pid: int) -> int:
    """The resident bytes of a process: programs and libraries, and memory of its own."""
    return _line_of_status(pid, "RssFile") + own(pid)


def own(pid: int) -> int:
    """The resident bytes that a process shares with no other."""
    return _line_of_status(pid, "RssAnon")


def readers(stage: Stage) -> Mapping[str, Read]:
    """How to measure each process, by name."""
    relay = {name: _of(process.pid) for name, process in stage.relay.processes.items()}
    return {
        **relay,
        "Redis": _of(stage.machine.redis_pid),
        "PostgreSQL": lambda: _largest_of_tree(stage.database.pid),
        "Prometheus": _of(stage.watcher_pid),
    }


async def sample(what: Mapping[str, Read], every: float, seconds: float) -> Mapping[str, Samples]:
    """The bytes of each, every so many seconds, for so long."""
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in what}
    ends = time.perf_counter() + seconds
    while (now := time.perf_counter()) < ends:
        for name, read in what.items():
            found[name].append((now, read()))
        await asyncio.sleep(min(every, ends - now))
    return found


def growth(name: str, samples: Samples, per_second: float) -> Growth:
    """Of a process that was sampled from beginning to end."""
    began, ended = samples[0][0], samples[-1][0]
    fifth = (ended - began) / 5
    early = [size for at, size in samples if began + fifth <= at < began + 2 * fifth]
    late = [size for at, size in samples if at >= ended - fifth]
    before, after = _at_rest(early), _at_rest(late)
    return Growth(name, before, after, (after - before) / (3 * fifth * per_second), judged=name != "Prometheus")


def _at_rest(sizes: Sequence[int]) -> float:
    return statistics.quantiles(sizes, n=10)[0] if len(sizes) > 1 else float(sizes[0])


def _of(pid: int) -> Read:
    return lambda: resident(pid)


def _largest_of_tree(pid: int) -> int:
    """Of PostgreSQL's processes the one that holds most of its own, but for those that vacuum, which come and go. Their
    program is one, and their buffers are a pool of a fixed size, which fills up. Their sum would grow by ten MiB
    whenever queries meet for which one more of the pool's connections is used for the first time."""
    largest = 0
    for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        with suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError, StopIteration):  # it has ended
            if not any(_VACUUMS in word for word in one.cmdline()):
                largest = max(largest, own(one.pid))
    return largest


def _line_of_status(pid: int, name: str) -> int:
    """Bytes, of a line of the kernel's report."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
