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
        listener = socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=both)
        # Connections inherit it. asyncio sets it only where a socket names its protocol, which these do not: the body
        # of an answer would wait for the client's delayed acknowledgement of the headers, 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener
    except OSError as error:
        raise BadSetting(f"HOST={host} PORT={port} cannot be listened on: {error.strerror}") from None
