"""Free ports of loopback."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from functools import cache
from pathlib import Path

from cli.failure import CommandFailed


def is_free(port: int) -> bool:
    """Whether a server can listen on this port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def next_free(wanted: int, taken: set[int]) -> int:
    """The first free port from `wanted` up that is not in `taken`; adds it to `taken`. Until this process ends, no
    other `relay up` of the same user gets it, though it may be seconds until a server listens there."""
    for port in range(wanted, min(wanted + 200, 65536)):
        if port not in taken and is_free(port) and _reserve(port):
            taken.add(port)
            return port
    raise CommandFailed(f"no port from {wanted} up is free: stop another program, or set another port")


def _reserve(port: int) -> bool:
    """Lock this port's byte of a file that all `relay up` of a user share. Returns False if another one has it."""
    file = _reservations()
    if file is None:
        return True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except (BlockingIOError, PermissionError):
        return False
    return True


@cache
def _reservations() -> int | None:
    """That file, open until this process ends; None where it cannot be written: then only running servers count."""
    path = Path(tempfile.gettempdir()) / f"iamport-relay-ports-{os.getuid()}"
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
