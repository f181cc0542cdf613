"""Parses the address of an HTTP proxy: http://[user[:password]@]host:port, user and password percent-encoded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from urllib.parse import unquote

_URL = re.compile(
    r"http://(?:(?P<user>[^:@/]+)(?::(?P<password>[^@/]*))?@)?(?P<host>[\w.-]+|\[[\da-fA-F:.]+\]):(?P<port>\d{1,5})/?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ProxyUrl:
    """`address` is the URL without user and password; `user` is None for a proxy that asks for none."""

    address: str
    user: str | None = None
    password: str = field(default="", repr=False)


def parse(text: str) -> ProxyUrl:
    """The meaning of an address. Raises `ValueError`."""
    found = _URL.fullmatch(text)
    if found is None:
        raise ValueError("not the address of a proxy")
    if not 1 <= int(found["port"]) <= 65535:
        raise ValueError("not a port")
    if found["host"].startswith("["):
        IPv6Address(found["host"][1:-1])  # raises `ValueError` if it is none
    address = f"http://{found['host']}:{found['port']}"
    if found["user"] is None:
        return ProxyUrl(address)
    user, password = unquote(found["user"], errors="strict"), unquote(found["password"] or "", errors="strict")
    # RFC 7617: the first colon ends the user name, which can have none itself; aiohttp encodes both in ISO 8859-1.
    if ":" in user or not (user + password).encode("latin-1").decode("latin-1").isprintable():
        raise ValueError("not a usable user or password")
    return ProxyUrl(address, user, password)
