"""Parses the URL of a Redis: one server, a socket, Sentinels that know the primary, or a Cluster.

    redis://[user:password@]host[:port][/database][?options]
    unix://[user:password@]/path[?db=database]
    redis+sentinel://[user:password@]host[:port],…/service[/database]
    redis+cluster://[user:password@]host[:port],…

With TLS these are rediss://, rediss+sentinel:// (to the Sentinels, too) and rediss+cluster://. An IPv6 address is in
brackets. User, password and options are percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv6Address
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

Kind = Literal["single", "socket", "sentinel", "cluster"]
Node = tuple[str, int]

_URL = re.compile(
    r"(?P<scheme>[a-z+]+)://(?:(?P<user>[^/?]*)@)?(?P<hosts>[^/?@]*)(?P<path>/[^?]*)?(?:\?(?P<options>.*))?"
)
_KINDS: Mapping[str, tuple[Kind, bool]] = {
    "redis": ("single", False),
    "rediss": ("single", True),
    "unix": ("socket", False),
    "redis+sentinel": ("sentinel", False),
    "rediss+sentinel": ("sentinel", True),
    "redis+cluster": ("cluster", False),
    "rediss+cluster": ("cluster", True),
}
_HOST = re.compile(r"[\w.-]+")
_SERVICE = re.compile(r"[\w.-]+", re.ASCII)
_SWITCHES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class RedisUrlError(ValueError):
    """A URL is wrong. The text says why without showing a secret part of it."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """``nodes`` are servers, or the Sentinels of ``service``; ``path`` is that of a socket. ``options``, and
    ``sentinel_options`` for the Sentinels themselves, have the names of redis-py's arguments."""

    kind: Kind
    nodes: tuple[Node, ...] = ()
    path: str = ""
    service: str = ""
    database: int = 0
    tls: bool = False
    sentinel_tls: bool = False
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sentinel_options: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse(text: str) -> RedisUrl:
    """The meaning of a URL. Raises `RedisUrlError`."""
    match = _matched(text)
    kind, tls = _KINDS[match["scheme"]]
    given = _options(match["options"] or "", kind)
    server_tls = given.pop("ssl", False) or tls
    if not server_tls and (useless := [name for name in given if name.startswith("ssl_")]):
        raise RedisUrlError(f"{useless[0]} needs TLS: rediss")
    if "ssl_keyfile" in given and "ssl_certfile" not in given:
        raise RedisUrlError("ssl_keyfile needs ssl_certfile")
    options = {name: value for name, value in given.items() if not name.startswith("sentinel_") and name != "db"}
    options = _signed_in(options, match["user"])
    if kind == "socket":
        if match["hosts"] or len(match["path"] or "") < 2:
            raise RedisUrlError("a socket needs an absolute path: unix:///path")
        return RedisUrl(kind, path=unquote(match["path"]), database=given.get("db", 0), options=options)
    service, database = _path(kind, match["path"] or "", given.get("db"))
    ours = {name.removeprefix("sentinel_"): value for name, value in given.items() if name.startswith("sentinel_")}
    if tls:
        ours |= {name: value for name, value in options.items() if name.startswith("ssl_")}
    return RedisUrl(
        kind, _nodes(kind, match["hosts"]), service=service, database=database, tls=server_tls,
        sentinel_tls=tls, options=options, sentinel_options=ours if kind == "sentinel" else {},
    )  # fmt: skip


def next_database(text: str) -> str:
    """The URL of the same Redis with its database number + 1. Raises `RedisUrlError`."""
    url, match = parse(text), _matched(text)
    options = dict(parse_qsl(match["options"] or ""))
    is_socket = url.kind == "socket"
    path = match["path"] if is_socket else f"/{url.service}".rstrip("/")
    if is_socket or "db" in options:
        options["db"] = str(url.database + 1)
    else:
        path += f"/{url.database + 1}"
    credentials = "" if match["user"] is None else f"{match['user']}@"
    moved = f"{match['scheme']}://{credentials}{match['hosts']}{path}"
    return f"{moved}?{urlencode(options)}" if options else moved


def _matched(text: str) -> re.Match[str]:
    if re.search(r"\s|#", text):
        raise RedisUrlError("a space or # in it must be percent-encoded")
    match = _URL.fullmatch(text)
    if match is None or match["scheme"] not in _KINDS:
        raise RedisUrlError("it must begin with one of " + ", ".join(f"{scheme}://" for scheme in _KINDS))
    return match


def _nodes(kind: Kind, hosts: str) -> tuple[Node, ...]:
    nodes = tuple(_node(host, 26379 if kind == "sentinel" else 6379) for host in hosts.split(","))
    if kind == "single" and len(nodes) > 1:
        raise RedisUrlError("several hosts need redis+sentinel:// or redis+cluster://")
    return nodes


def _node(text: str, usual_port: int) -> Node:
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::(.*))?", text)
    if bracketed:
        host, port = unquote(bracketed[1]), bracketed[2]
        try:
            IPv6Address(host)
        except ValueError:
            raise RedisUrlError("brackets must contain an IPv6 address") from None
    else:
        host, colon, rest = text.partition(":")
        if ":" in rest:
            raise RedisUrlError("an IPv6 address must be in brackets: [::1]")
        port = rest if colon else None
        if not _HOST.fullmatch(host):
            raise RedisUrlError("a host is missing or invalid")
    if port is None:
        return host, usual_port
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise RedisUrlError("a port must be a number from 1 to 65535")
    return host, int(port)


def _path(kind: Kind, path: str, database: int | None) -> tuple[str, int]:
    """The Sentinels' service and the database."""
    parts = path.removeprefix("/").split("/")
    service = unquote(parts.pop(0)) if kind == "sentinel" else ""
    if kind == "sentinel" and not _SERVICE.fullmatch(service):
        raise RedisUrlError("the name of the Sentinels' service is missing: redis+sentinel://host:port/service/0")
    if len(parts) > 1 or (parts and parts[0] and not re.fullmatch(r"\d{1,4}", parts[0], re.ASCII)):
        raise RedisUrlError("a database must be a number")
    in_path = int(parts[0]) if parts and parts[0] else None
    if in_path is not None and database is not None and in_path != database:
        raise RedisUrlError("the database is given twice")
    number = in_path if in_path is not None else database or 0
    if kind == "cluster" and number:
        raise RedisUrlError("a Redis Cluster has database 0 only")
    return service, number


def _signed_in(options: dict[str, Any], credentials: str | None) -> dict[str, Any]:
    if not credentials:
        return options
    if "username" in options or "password" in options:
        raise RedisUrlError("user and password are given twice")
    user, _, password = credentials.partition(":")
    found = {"username": unquote(user), "password": unquote(password)}
    return {**options, **{name: value for name, value in found.items() if value}}


def _text(value: str) -> str:
    if not value:
        raise ValueError
    return value


def _number(value: str) -> int:
    if not re.fullmatch(r"\d{1,4}", value, re.ASCII):
        raise ValueError
    return int(value)


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 < seconds <= 60:
        raise ValueError
    return seconds


def _word(*words: str) -> Callable[[str], str]:
    def one(value: str) -> str:
        if value.lower() not in words:
            raise ValueError
        return value.lower()

    return one


def _switch(value: str) -> bool:
    try:
        return _SWITCHES[value.lower()]
    except KeyError:
        raise ValueError from None


_TAKES: Mapping[str, tuple[Callable[[str], Any], str, tuple[Kind, ...]]] = {
    "db": (_number, "a number", ("single", "socket", "sentinel", "cluster")),
    "username": (_text, "a name", ("single", "socket", "sentinel", "cluster")),
    "password": (_text, "a password", ("single", "socket", "sentinel", "cluster")),
    "client_name": (_text, "a name", ("single", "socket", "sentinel", "cluster")),
    "socket_timeout": (_seconds, "seconds, up to 60", ("single", "socket", "sentinel", "cluster")),
    "socket_connect_timeout": (_seconds, "seconds, up to 60", ("single", "socket", "sentinel", "cluster")),
    "health_check_interval": (_seconds, "seconds, up to 60", ("single", "socket", "sentinel", "cluster")),
    "ssl_ca_certs": (_text, "a file", ("single", "sentinel", "cluster")),
    "ssl_certfile": (_text, "a file", ("single", "sentinel", "cluster")),
    "ssl_keyfile": (_text, "a file", ("single", "sentinel", "cluster")),
    "ssl_cert_reqs": (_word("required", "optional", "none"), "required or none", ("single", "sentinel", "cluster")),
    "ssl_check_hostname": (_switch, "true or false", ("single", "sentinel", "cluster")),
    "ssl": (_switch, "true or false", ("sentinel",)),
    "sentinel_username": (_text, "a name", ("sentinel",)),
    "sentinel_password": (_text, "a password", ("sentinel",)),
}
"""Each option: how its text becomes a value, what it takes in words, and the kinds of URL that may have it."""


def _options(query: str, kind: Kind) -> dict[str, Any]:
    known = [name for name, (_, _, kinds) in _TAKES.items() if kind in kinds]
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            # The name is not shown: it may be the rest of a password that was not encoded.
            near = get_close_matches(name, known, 1)
            raise RedisUrlError("it has an unknown option" + (f"; did you mean {near[0]}?" if near else ""))
        if name in found:
            raise RedisUrlError(f"{name} is given twice")
        read, takes, _ = _TAKES[name]
        try:
            found[name] = read(value)
        except ValueError:
            raise RedisUrlError(f"{name} takes {takes}") from None
    return found
