"""What tests start without most of its start-up ends with them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT, Processes, clean_environ
from tests.support.waiting import until_now

_A_RUN = """
from pathlib import Path
from tests.support.processes import clean_environ
from tests.support.warm_python import WarmProcess

program = "import subprocess, time; subprocess.Popen(['sleep', '300']); print('runs', flush=True); time.sleep(300)"
started = WarmProcess(["-c", program], clean_environ(), Path.cwd())
started.stdout.readline()
print(started.pid, flush=True)
started.wait()
"""


def test_a_killed_run_leaves_nothing_behind() -> None:
    """SIGKILL to a test run, which cleans up nothing: what it has started is gone, and their children."""
    run = subprocess.Popen(
        [sys.executable, "-c", _A_RUN], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**clean_environ(), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.stdout is not None
    try:
        session = int(run.stdout.readline())
        assert len(_members(session)) == 2
    finally:
        run.kill()
        run.wait()
    until_now(lambda: not _members(session), "no process of its session is left")
    run.stdout.close()


_LATE = """
import atexit, sys, threading, time
atexit.register(print, "and what atexit runs")
threading.Thread(target=lambda: time.sleep(0.1) or print("all of a thread")).start()
{end}
"""
_ALL = ["all of a thread", "and what atexit runs"]


@pytest.mark.parametrize(
    ("end", "status", "last"),
    [
        ("", 0, _ALL),
        ("sys.exit()", 0, _ALL),
        ("sys.exit(3)", 3, _ALL),
        ("sys.exit('a text')", 1, _ALL),
        ("raise ValueError", 1, _ALL),
        ("raise KeyboardInterrupt", -signal.SIGINT, _ALL),
        ("import os; os._exit(4)", 4, []),
    ],
)
async def test_a_program_ends_as_any_other(end: str, status: int, last: list[str], processes: Processes) -> None:
    """With its own status, and once its threads have ended; what is to run at the end does."""
    program = processes.run("program", [sys.executable, "-c", _LATE.format(end=end)])
    assert await program.ended() == status
    assert [line for line in program.lines if line in _ALL] == last
    assert ("a text" in program.lines) == ("a text" in end)
    assert ("ValueError" in program.lines) == ("ValueError" in end)


def _members(session: int) -> list[int]:
    """The processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, sid, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(sid) == session and state != "Z":
            found.append(int(folder.name))
    return found
