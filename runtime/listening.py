"""The socket that a process serves on."""

from __future__ import annotations

import errno
import socket

from schemas.errors import BadSetting


def listen(host: str, port: int, *, backlog: int | None = None) -> socket.socket:
    """A socket that listens there. `::` includes every IPv4 address where the system's sockets can do both.

    Raises `BadSetting` if that is not possible, e.g. because the port is taken.
    """
    try:
        return _listen(host, port, backlog)
    except OSError as error:
        raise _impossible(host, f"PORT={port}", error) from None


def listen_from(host: str, first: int, setting: str) -> socket.socket:
    """A socket that listens on the first free port from `first` on; `setting` names the setting that has `first`.

    Raises `BadSetting` if no port can be listened on.
    """
    for port in range(first, 65536):
        try:
            return _listen(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == 65535:
                raise _impossible(host, f"{setting}={first}", error) from None
    raise ValueError(f"{first} is not a port")


def _listen(host: str, port: int, backlog: int | None = None) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    listener = socket.create_server((host, port), family=family, backlog=backlog, dualstack_ipv6=both)
    # Connections inherit TCP_NODELAY. asyncio sets it only on sockets that name their protocol, which these do not.
    # Without it, the body of an answer waits 40 ms for the client's delayed acknowledgement of the headers.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _impossible(host: str, given: str, error: OSError) -> BadSetting:
    return BadSetting(f"HOST={host} {given} cannot be listened on: {error.strerror}")
