"""Ports of loopback that nobody uses."""

from __future__ import annotations

import socket

from schemas.errors import RelayError


def free(port: int) -> bool:
    """Whether a server could listen on this port now."""
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


def next_free(wanted: int, given_away: set[int]) -> int:
    """The first free port from `wanted` up that is not given away yet; it is given away now."""
    for port in range(wanted, min(wanted + 200, 65536)):
        if port not in given_away and free(port):
            given_away.add(port)
            return port
    raise RelayError(f"no port is free from {wanted} on: stop something, or set another one")
