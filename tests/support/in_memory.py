"""Temporary files in memory: every write of a durable Redis or SQLite waits for its disk, which proves nothing here.

What the tests kill is processes, and whatever these have written outlives them in memory too. The servers are
configured as in service: they still ask for each sync.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108  # it is the system's place for this
_ENOUGH = 6 << 30
"""Bytes that have to be free there, and in the machine: a run keeps up to two gigabytes at a time."""


def use_memory() -> None:
    """Have this process and its children keep temporary files in memory, where there is enough of it and programs may
    be run from there; whoever has set `TMPDIR` has chosen another place."""
    if "TMPDIR" not in os.environ and _is_fit():
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # it is found out anew


def _is_fit() -> bool:
    try:
        place, machine = os.statvfs(_MEMORY), Path("/proc/meminfo").read_text()
    except OSError:
        return False
    available = re.search(r"^MemAvailable: +(\d+) kB", machine, re.MULTILINE)
    return (
        os.access(_MEMORY, os.W_OK | os.X_OK)
        and not place.f_flag & os.ST_NOEXEC
        and place.f_bavail * place.f_frsize >= _ENOUGH
        and available is not None
        and int(available[1]) * 1024 >= _ENOUGH
    )
