"""How much of the machine this process may use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """How many cores this process may run on; all cores of the machine if the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
