"""What tests start without most of its start-up ends with them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.processes import ROOT, clean_environ
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
    session = int(run.stdout.readline())
    assert len(_members(session)) == 2
    run.kill()
    run.wait()
    until_now(lambda: not _members(session), "no process of its session is left")
    run.stdout.close()


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
