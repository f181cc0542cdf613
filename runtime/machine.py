"""What the machine lets this process use."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """How many cores this process may run on; all of the machine's where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
