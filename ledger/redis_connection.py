"""Connect to Redis: at one address, with TLS, over a Unix socket, through Sentinels, or as a Cluster."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import hiredis
import redis.exceptions as trouble
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    MasterNotFoundError,
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import ConstantBackoff, NoBackoff

from ledger.cluster import Address, ClusterServers, NamedServer
from ledger.servers import OneServer, Servers
from runtime.redis_url import RedisUrl, RedisUrlError, parse
from schemas.errors import BadSetting

ANSWER_WITHIN = 2.0
"""Seconds without an answer after which Redis counts as away: i'mport waits no longer for the answer to a webhook."""
DISCOVERY: Mapping[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "protocol": 2}
"""Options for asking Sentinels: one that does not answer soon is skipped, because the others also know the primary."""
_CONNECT_WITHIN = 0.5
"""Seconds in which a node of a Cluster must accept a connection: one that is gone must not keep a webhook waiting."""


def connect(url: str, *, max_connections: int = 64) -> Servers:
    """The Redis of any URL that `runtime.redis_url` understands. Nothing is connected yet.

    Raises `BadSetting` for another URL, and for files of TLS that cannot be used.
    """
    address = read_url("REDIS_URL", url)

    def clustered() -> ClusterServers:
        connection = _lean(SSLConnection if address.tls else Connection)
        return ClusterServers(_cluster(address, max_connections, connection), address.nodes, max_connections)

    if address.kind == "cluster":
        return clustered()
    server = one_server(address, max_connections)
    return NamedServer(server, clustered) if address.kind == "single" else server


def one_server(address: RedisUrl, max_connections: int) -> OneServer:
    """The server at an address that is not a Cluster's. Nothing is connected yet."""
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_WITHIN,
        "socket_connect_timeout": ANSWER_WITHIN,
        "socket_keepalive": True,
        # Every call may be sent twice, because callers make the ids and leases have tokens. A call that timed out is
        # not sent again: its caller has waited long enough.
        "retry": Retry(ConstantBackoff(0.05), 1, supported_errors=(trouble.ConnectionError,)),
        "protocol": 2,
        # Otherwise each new connection sends the version of redis-py to Redis, which costs a millisecond and needs a
        # right of its own (CLIENT SETINFO).
        "driver_info": None,
        **address.options,
    }
    pooling = {"max_connections": max_connections, "timeout": ANSWER_WITHIN}
    match address.kind:
        case "socket":
            socket = {**options, **pooling, "path": address.path, "db": address.database}
            packing = _lean(UnixDomainSocketConnection)
            return OneServer(Redis(connection_pool=BlockingConnectionPool(connection_class=packing, **socket)))
        case "sentinel":
            # A dead Sentinel is not retried: the next one is asked.
            asking = {**sentinel_options(address), "retry": Retry(NoBackoff(), 0)}
            watch = _Sentinels(address.nodes, sentinel_kwargs=asking, **options)
            managed = _lean(SentinelManagedSSLConnection if address.tls else SentinelManagedConnection)
            pool = _SentinelPool(
                address.service, watch, connection_class=managed, db=address.database, **options, **pooling
            )
            return OneServer(Redis(connection_pool=pool), watch.aclose)
        case _:
            host, port = address.nodes[0]
            connection = _lean(SSLConnection if address.tls else Connection)
            kwargs = {**options, **pooling, "host": host, "port": port, "db": address.database}
            return OneServer(Redis(connection_pool=BlockingConnectionPool(connection_class=connection, **kwargs)))


def read_url(variable: str, url: str) -> RedisUrl:
    """The meaning of the URL in ``variable``. Raises `BadSetting`, also for files of TLS that cannot be used."""
    try:
        address = parse(url)
    except RedisUrlError as error:
        raise BadSetting(f"{variable} is not usable: {error}") from None
    options = address.options
    try:
        if "ssl_ca_certs" in options:
            ssl.create_default_context(cafile=options["ssl_ca_certs"])
        if "ssl_certfile" in options:
            ssl.create_default_context().load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    except OSError as error:  # an `ssl.SSLError` is one
        files = ", ".join(
            str(options[name]) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile") if name in options
        )
        raise BadSetting(f"{variable} names files that cannot be used: {files}: {error.strerror or error}") from None
    return address


def sentinel_options(address: RedisUrl) -> dict[str, Any]:
    """How to reach the Sentinels themselves, as redis-py's arguments."""
    return {**DISCOVERY, **({"ssl": True} if address.sentinel_tls else {}), **address.sentinel_options}


def _cluster(address: RedisUrl, max_connections: int, connection: type[AbstractConnection]) -> RedisCluster:
    """redis-py's client of a Cluster. `ClusterServers` retries what fails, not the client: that would first close all
    connections, even those to healthy nodes."""
    options = {
        "socket_timeout": ANSWER_WITHIN,
        "socket_connect_timeout": _CONNECT_WITHIN,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
        **address.options,
    }
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in address.nodes],
        require_full_coverage=False,  # if a node is gone, the cells of the others can still be used
        ssl=address.tls,
        max_connections=max_connections,
        **options,
    )
    cluster.connection_kwargs["connection_class"] = connection
    return cluster


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Callers wait for a free connection, as with any other Redis."""


class _Sentinels(Sentinel):
    """Asks the other Sentinels if one answers with an error; if none helps, the exception lists every answer."""

    async def discover_master(self, service_name: str) -> Address:
        """The primary's address; the Sentinel that knew it is asked first the next time."""
        troubles: list[str] = []
        for place, sentinel in enumerate(self.sentinels):
            try:
                known = await sentinel.sentinel_masters()
            except (trouble.RedisError, OSError) as error:
                troubles.append(str(error))
                continue
            state = known.get(service_name) if isinstance(known, dict) else None
            if state and self.check_master_state(state, service_name):
                self.sentinels.insert(0, self.sentinels.pop(place))
                return state["ip"], state["port"]
            troubles.append("it knows no primary of this name that is up")
        said = "; ".join(dict.fromkeys(troubles))
        raise MasterNotFoundError(f"no Sentinel says who the primary of {service_name} is: {said}")


class _Lean:
    """How redis-py's connections send commands here.

    hiredis packs them. redis-py packs them in Python, argument by argument, and the scripts here take thousands of
    arguments: that was a tenth of the cost of accepting a webhook. They are sent without `asyncio.wait_for`: it makes a
    task for each command and, before Python 3.12, loses a cancellation that comes just when the task has ended.
    """

    if TYPE_CHECKING:
        is_connected: bool
        socket_timeout: float | None
        _writer: asyncio.StreamWriter

        async def connect(self) -> None: ...
        async def disconnect(self, nowait: bool = False) -> None: ...

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *rest = args
        words = name.encode().split() if isinstance(name, str) else name.split()
        return [hiredis.pack_command((*words, *rest))]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [packed for command in commands for packed in self.pack_command(*command)]

    async def send_packed_command(self, command: Iterable[bytes], **_health: bool) -> None:
        if not self.is_connected:
            await self.connect()
        try:
            async with asyncio.timeout(self.socket_timeout):
                self._writer.writelines(command)
                await self._writer.drain()
        except TimeoutError:
            await self.disconnect(nowait=True)
            raise trouble.TimeoutError("nothing could be sent to it in time") from None
        except OSError as error:
            await self.disconnect(nowait=True)
            raise trouble.ConnectionError(f"nothing could be sent to it: {error}") from error
        except BaseException:
            await self.disconnect(nowait=True)  # half of a command may have been sent
            raise


def _lean(plain: type[AbstractConnection]) -> type[AbstractConnection]:
    return type(f"Lean{plain.__name__}", (_Lean, plain), {})
