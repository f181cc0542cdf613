"""The socket that a process serves on."""

from __future__ import annotations

import socket

from schemas.errors import BadSetting


def listen(host: str, port: int, *, backlog: int | None = None) -> socket.socket:
    """A socket that listens there. `::` includes every IPv4 address where the system's sockets can do both.

    Raises `BadSetting` where that is not possible, e.g. because the port is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=both)
    except OSError as error:
        raise BadSetting(f"HOST={host} PORT={port} cannot be listened on: {error.strerror}") from None
