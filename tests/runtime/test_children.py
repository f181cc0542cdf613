"""Several processes that do the same work."""

from __future__ import annotations

import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from runtime.children import FIRST_PAUSE, LONGEST_PAUSE, pause
from tests.support.processes import Process, Processes
from tests.support.waiting import PATIENCE, until

_PARENT = """
import os, sys, time
from pathlib import Path
import structlog
from runtime import process
from runtime.children import Children
from runtime.signals import StopRequest, handled
from schemas.errors import BadSetting

log = structlog.get_logger()

def graceful():
    stop = StopRequest()
    with handled(stop.make):
        log.info("working", pid=os.getpid())
        while not stop.wait(0.05):
            pass
        log.info("done", pid=os.getpid())
    return 0

def stubborn():
    with handled(lambda: None):
        log.info("working", pid=os.getpid())
        time.sleep(600)
    return 0

def refuses():
    if Path("refuse").exists():
        raise BadSetting("PORT=1 is not usable")
    return graceful()

def dies():
    log.info("working", pid=os.getpid())
    return 3

def fails():
    raise TypeError("a mistake of ours")

work, count, stop_within = globals()[sys.argv[1]], int(sys.argv[2]), float(sys.argv[3])
options = {"pause_after": lambda _deaths: float(sys.argv[4])} if sys.argv[4:] else {}
sys.exit(process.run(lambda _: Children(work, count, stop_within, **options).run()))
"""


def start(
    processes: Processes, work: str, count: int = 2, stop_within: float = 30, pause_after: float | None = None
) -> Process:
    """A parent with children that do this work; it may be told how long to wait before it replaces one."""
    options = [str(count), str(stop_within), *([] if pause_after is None else [str(pause_after)])]
    return processes.run("parent", [sys.executable, "-c", _PARENT, work, *options])


async def working(parent: Process, count: int = 2) -> list[int]:
    """The process ids of its children, once so many have begun to work in all."""
    await until(lambda: len(parent.logs("working")) >= count, lambda: f"{count} work:\n{parent.output}")
    return [line["pid"] for line in parent.logs("working")]


async def gone(pids: list[int]) -> None:
    """Wait until none of these processes is left."""
    await until(lambda: not any(map(psutil.pid_exists, pids)), lambda: f"{pids} end")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stopping_the_parent_lets_all_finish(processes: Processes, number: signal.Signals) -> None:
    """Each child does what it does at its own SIGTERM; the parent ends after them."""
    parent = start(processes, "graceful", 3)
    pids = await working(parent, 3)
    parent.signal(number)
    assert await parent.ended() == 0
    assert sorted(line["pid"] for line in parent.logs("done")) == sorted(pids)
    assert not any(map(psutil.pid_exists, pids))


async def test_a_signal_to_all_of_them_at_once_is_the_same(processes: Processes) -> None:
    """A terminal's Ctrl-C reaches children and parent."""
    parent = start(processes, "graceful")
    pids = await working(parent)
    for pid in (*pids, parent.pid):
        psutil.Process(pid).send_signal(signal.SIGINT)
    assert await parent.ended() == 0
    assert sorted(line["pid"] for line in parent.logs("done")) == sorted(pids)
    assert "Traceback" not in parent.output


async def test_what_does_not_stop_in_time_is_killed(processes: Processes) -> None:
    """The parent keeps to its own deadline."""
    parent = start(processes, "stubborn", 2, stop_within=0.5)
    pids = await working(parent)
    parent.signal(signal.SIGTERM)
    assert await parent.ended() == 0
    assert sorted(line["pid"] for line in parent.logs("process_killed")) == sorted(pids)
    assert not any(map(psutil.pid_exists, pids))


@pytest.mark.parametrize(("work", "stop_within"), [("graceful", 30), ("stubborn", 0.5)])
async def test_a_killed_parent_leaves_nothing(processes: Processes, work: str, stop_within: float) -> None:
    """Its children stop as if they had been asked to, and kill themselves if that takes too long."""
    parent = start(processes, work, 3, stop_within)
    pids = await working(parent, 3)
    parent.signal(signal.SIGKILL)
    await gone(pids)
    await parent.ended()
    assert len(parent.logs("done")) == (3 if work == "graceful" else 0)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0)])
async def test_a_child_that_ends_is_replaced(processes: Processes, number: signal.Signals, status: int) -> None:
    """However it went: nobody but the parent says that work is over."""
    parent = start(processes, "graceful")
    first, second = await working(parent)
    psutil.Process(first).send_signal(number)
    *_, third = await working(parent, 3)
    assert third not in (first, second)
    (died,) = parent.logs("process_died")
    assert (died["pid"], died["status"], died["replaced_in"]) == (first, status, FIRST_PAUSE)
    assert psutil.pid_exists(second)
    assert await parent.terminate() == 0
    assert {second, third} <= {line["pid"] for line in parent.logs("done")}


async def test_what_dies_again_and_again_is_replaced_more_slowly(processes: Processes) -> None:
    """The pauses are kept."""
    began = time.monotonic()
    parent = start(processes, "dies", 1)
    await working(parent, 3)
    assert time.monotonic() - began >= pause(1) + pause(2)
    await until(lambda: len(parent.logs("process_died")) == 3, lambda: parent.output)
    assert [(line["status"], line["replaced_in"]) for line in parent.logs("process_died")] == [
        (3, pause(1)), (3, pause(2)), (3, pause(3)),
    ]  # fmt: skip
    assert await parent.terminate() == 0


async def test_a_stop_waits_for_no_pause(processes: Processes) -> None:
    """Though it is longer than anybody waits for the stop."""
    parent = start(processes, "dies", 1, pause_after=10 * PATIENCE)
    assert (await parent.logged("process_died"))["replaced_in"] == 10 * PATIENCE
    assert await parent.terminate() == 0


async def test_a_bug_is_logged_with_its_traceback(processes: Processes) -> None:
    """The child ends with status 1 and never runs what its parent would do next."""
    parent = start(processes, "fails", 1)
    line = await parent.logged("process_failed")
    assert "TypeError: a mistake of ours" in line["exception"]
    assert (await parent.logged("process_died"))["status"] == 1
    assert await parent.terminate() == 0


async def test_a_bad_setting_of_all_children_is_one_line(processes: Processes, tmp_path: Path) -> None:
    """All find it, at the start or when one is replaced; it is said once, and the parent ends with status 1."""
    parent = start(processes, "refuses", 3)
    pids = await working(parent, 3)
    (tmp_path / "refuse").touch()
    psutil.Process(pids[0]).kill()
    assert await parent.ended() == 1
    assert parent.lines.count("PORT=1 is not usable") == 1
    assert sorted(line["pid"] for line in parent.logs("done")) == sorted(pids[1:])

    again = start(processes, "refuses", 3)
    assert await again.ended() == 1
    assert again.lines.count("PORT=1 is not usable") == 1
    assert not again.logs("process_died")


def test_the_pause_grows_to_a_bound() -> None:
    """It doubles, and no number of deaths is too many."""
    pauses = [pause(deaths) for deaths in range(1, 2000)]
    assert (pauses[0], pauses[-1]) == (FIRST_PAUSE, LONGEST_PAUSE)
    assert all(later in (2 * sooner, LONGEST_PAUSE) for sooner, later in pairwise(pauses))
