"""A process that outlives `relay up` only to end what it leaves behind, also after a SIGKILL.

It reads `+123` (a process group was started) and `-123` (it has ended) from standard input. When that closes,
`relay up` is gone: whatever group is still listed is asked to stop, then killed. It holds the lock on the data
directory as long, so that nobody starts a second Redis on the same files meanwhile.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

GRACE = 5.0
"""Seconds between asking and killing."""


def alive(group: int) -> bool:
    """Whether any process of this group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so for a group of zombies
        return False
    return True


def end(groups: set[int], grace: float) -> None:
    """SIGTERM to all, SIGKILL to those that are left after `grace` seconds."""
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
    """Follow standard input to its end, then tidy up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    end(groups, GRACE)


if __name__ == "__main__":
    main()
