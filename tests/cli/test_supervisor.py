"""Children: read, kept running, ended; also when the one who started them is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from cli.supervisor import Child, ChildDied, Supervisor
from tests.support.waiting import PATIENCE, until

# What nobody ends sleeps far longer than anybody waits for its end.
STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
FAMILY = (
    "import subprocess,sys,time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(p.pid, flush=True); time.sleep(600)"
)


async def gone(pid: int) -> None:
    """Wait until this process has ended; one that only waits for init to notice has."""

    def has_ended() -> bool:
        return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    await until(has_ended, f"process {pid} has ended")


class WatchedSupervisor:
    """Children and everything that was said about them."""

    def __init__(self, directory: Path) -> None:
        self.lines: list[tuple[str, str]] = []
        self.deaths: list[tuple[str, int]] = []
        self.lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT)
        self.supervisor = Supervisor(
            directory, self.lock, lambda *line: self.lines.append(line), lambda *death: self.deaths.append(death)
        )

    async def start(self, code: str, *, up: bool = True) -> Child:
        """Run some Python under the name `one`."""
        child = Child("one", [sys.executable, "-c", code], dict(os.environ), up=up)
        await self.supervisor.start(child)
        return child

    async def said(self, count: int) -> list[str]:
        """Wait for so many lines."""
        await until(lambda: len(self.lines) >= count, lambda: f"there are {count} lines, not {self.lines}")
        return [text for _, text in self.lines]


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[WatchedSupervisor]:
    """Children that end with the test."""
    watched = WatchedSupervisor(tmp_path)
    yield watched
    await watched.supervisor.end()
    os.close(watched.lock)


async def test_every_line_is_passed_on_and_kept(watched: WatchedSupervisor, tmp_path: Path) -> None:
    """However long a line is, the account gets it and the log file has it."""
    await watched.start("import time; print('x' * 300_000); print('end', flush=True); time.sleep(600)")
    assert await watched.said(2) == ["x" * 300_000, "end"]
    assert (tmp_path / "one.log").read_text().splitlines() == ["x" * 300_000, "end"]


async def test_a_child_that_dies_is_started_again(watched: WatchedSupervisor) -> None:
    """A death is said, and the next one takes its place."""
    await watched.start("import os; print(os.getpid(), flush=True); import time; time.sleep(600)")
    first = int((await watched.said(1))[0])
    os.kill(first, signal.SIGKILL)
    second = int((await watched.said(2))[1])
    assert first != second
    assert watched.deaths == [("one", -signal.SIGKILL)]


async def test_a_child_that_never_came_up_stops_everything(watched: WatchedSupervisor) -> None:
    """A bad setting is said once, with its last words, and not tried again."""
    await watched.start("print('RELAY_LOG_LEVEL=loud is not usable', flush=True); raise SystemExit(1)", up=False)
    with pytest.raises(ChildDied, match="one ended with status 1: RELAY_LOG_LEVEL=loud is not usable"):
        await asyncio.wait_for(watched.supervisor.failed, PATIENCE)


async def test_a_child_that_keeps_dying_stops_everything(watched: WatchedSupervisor) -> None:
    """A child that keeps dying is not restarted without end."""
    await watched.start("raise SystemExit(3)")
    with pytest.raises(ChildDied, match="status 3"):
        await asyncio.wait_for(watched.supervisor.failed, PATIENCE)
    assert len(watched.deaths) == 2


async def test_the_end_takes_grandchildren_along(watched: WatchedSupervisor) -> None:
    """No process is left, not even one that a child has started."""
    child = await watched.start(FAMILY)
    grandchild = int((await watched.said(1))[0])
    await watched.supervisor.end()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGTERM
    await gone(grandchild)


async def test_who_does_not_stop_is_killed(watched: WatchedSupervisor) -> None:
    """SIGTERM is asked once; the end comes all the same."""
    child = await watched.start(STUBBORN)
    await watched.said(1)
    await watched.supervisor.end()
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


PARENT = """
import asyncio, os, sys
from pathlib import Path
from cli.supervisor import Child, Supervisor
async def main():
    lock = os.open(sys.argv[1] + "/lock", os.O_RDWR | os.O_CREAT)
    supervisor = Supervisor(Path(sys.argv[1]), lock, lambda name, text: print(text, flush=True), lambda *death: None)
    await supervisor.start(Child("one", [sys.executable, "-c", sys.argv[2]], dict(os.environ)))
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    """SIGKILL to `relay up` itself leaves no process: the guard ends what it started."""
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, str(tmp_path), FAMILY), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    try:
        grandchild = int(await parent.stdout.readline())
    finally:
        parent.kill()
        await parent.wait()
    try:
        await gone(grandchild)
    except AssertionError:
        os.kill(grandchild, signal.SIGKILL)
        raise
