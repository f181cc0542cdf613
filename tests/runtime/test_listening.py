"""The sockets that processes serve on."""

from __future__ import annotations

import socket

import pytest

from runtime.listening import listen
from schemas.errors import BadSetting


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_every_address_of_ipv6_is_every_address_of_ipv4_too() -> None:
    """Containers listen on every address with `HOST=::`."""
    with listen("::", 0) as listener:
        port = listener.getsockname()[1]
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=10).close()


def test_an_address_that_cannot_be_had_is_a_bad_setting() -> None:
    """One line that names the address and the port."""
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadSetting, match=f"HOST=127.0.0.1 PORT={port} cannot be listened on"):
            listen("127.0.0.1", port)
