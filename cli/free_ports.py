"""Free ports of loopback."""

from __future__ import annotations

import socket

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
    """The first free port from `wanted` up that is not in `taken`; adds it to `taken`."""
    for port in range(wanted, min(wanted + 200, 65536)):
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise CommandFailed(f"no port from {wanted} up is free: stop another program, or set another port")
