"""How Redis is reached: one address, TLS, a Unix socket, or Sentinels that know who the primary is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis
import redis.exceptions as trouble
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ConstantBackoff

from schemas.errors import BadSetting

ANSWER_WITHIN = 2.0
"""Seconds after which Redis counts as away: a webhook's sender is not kept waiting longer."""


def connect(url: str, *, max_connections: int = 64) -> Redis:
    """A client of ``redis://``, ``rediss://``, ``unix://`` or ``redis+sentinel://host:port,host:port/service/0``.

    Nothing is connected yet. Raises `BadSetting` for another URL.
    """
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_WITHIN,
        "socket_connect_timeout": ANSWER_WITHIN,
        "socket_keepalive": True,
        # Every verb may be sent twice: ids are made by the caller and leases have tokens. A Redis that hangs is not
        # asked again, as whoever waits has waited long enough.
        "retry": Retry(ConstantBackoff(0.05), 1, supported_errors=(trouble.ConnectionError,)),
        "protocol": 2,
        # Else each new connection finds out which version of redis-py this is, in a millisecond, and tells Redis, which
        # takes a right of its own (CLIENT SETINFO).
        "driver_info": None,
    }
    if url.startswith("redis+sentinel://"):
        return _sentinel(url, options)
    try:
        pool = BlockingConnectionPool.from_url(url, max_connections=max_connections, timeout=ANSWER_WITHIN, **options)
    except ValueError as error:
        raise BadSetting(f"REDIS_URL: {error}") from None
    return _packing(Redis(connection_pool=pool))


def sentinel_parts(url: str) -> tuple[list[tuple[str, int]], str, dict[str, Any]]:
    """The Sentinels, the service's name, and how to sign in to the primary. Raises `BadSetting`."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    try:
        sentinels = [_address(host) for host in hosts.split(",") if host]
        service, _, database = parts.path.strip("/").partition("/")
        kwargs: dict[str, Any] = {"db": int(database or 0)}
    except ValueError:
        sentinels, service, kwargs = [], "", {}
    if not sentinels or not service:
        raise BadSetting("REDIS_URL: a Sentinel URL reads redis+sentinel://host:port,host:port/service/0")
    user, _, password = credentials.partition(":")
    if password:
        kwargs |= {"username": unquote(user) or None, "password": unquote(password)}
    if parse_qs(parts.query).get("ssl") == ["true"]:
        kwargs["ssl"] = True
    return sentinels, service, kwargs


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return (host, int(port)) if host else (text, 26379)


def _sentinel(url: str, options: Mapping[str, Any]) -> Redis:
    sentinels, service, credentials = sentinel_parts(url)
    watch = Sentinel(
        sentinels,
        sentinel_kwargs={"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "protocol": 2},
        **{**options, **credentials},
    )
    client: Redis = watch.master_for(service)
    return _packing(client)


class _Packing:
    """Commands put on the wire by hiredis. redis-py's asyncio connections do that in Python, argument by argument, and
    the scripts here take thousands of them: it was a tenth of what accepting a webhook costs."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *rest = args
        words = name.encode().split() if isinstance(name, str) else name.split()
        return [hiredis.pack_command((*words, *rest))]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [packed for command in commands for packed in self.pack_command(*command)]


def _packing(client: Redis) -> Redis:
    pool = client.connection_pool
    plain = pool.connection_class
    pool.connection_class = type(f"Packing{plain.__name__}", (_Packing, plain), {})
    return client
