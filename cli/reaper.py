"""A helper process of `relay up` that stops the processes which a killed `relay up` leaves behind.

It reads `+123` (process group started) and `-123` (ended) from standard input. When that closes, `relay up` has ended:
the groups still listed get SIGTERM, then SIGKILL. Until then it holds the lock on the data directory, so that no second
Redis can be started on the same files.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

from runtime.signals import TERMINAL_SIGNALS, ignore

STOP_TIMEOUT = 5.0
"""Seconds from SIGTERM to SIGKILL."""


def alive(group: int) -> bool:
    """Whether the group has a process left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS raises this for a group of zombies
        return False
    return True


def end(groups: set[int], grace: float) -> None:
    """Send SIGTERM to all groups, and after `grace` seconds SIGKILL to those that are left."""
    _send(groups, signal.SIGTERM)
    until = time.monotonic() + grace
    while any(map(alive, groups)) and time.monotonic() < until:
        time.sleep(0.05)
    _send(groups, signal.SIGKILL)


def _send(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def main() -> None:
    """Reads standard input to its end, then stops the groups that are left."""
    ignore(TERMINAL_SIGNALS)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    end(groups, STOP_TIMEOUT)


if __name__ == "__main__":
    main()
