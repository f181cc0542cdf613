"""How Redis is reached: one address, TLS, a Unix socket, Sentinels that know who the primary is, or a Cluster."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from typing import Any

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

from ledger.keys import PREFIX
from ledger.primary import Address, ClusterNodes, ClusterPrimary, FixedClient, NamedNode, Primary
from runtime.redis_url import RedisUrl, RedisUrlError, parse
from schemas.errors import BadSetting

ANSWER_WITHIN = 2.0
"""Seconds after which Redis counts as away: i'mport does not wait longer for the answer to a webhook."""
DISCOVERY: Mapping[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "protocol": 2}
"""Options for asking which node is primary: a node that does not answer soon is skipped, as others know it, too."""


def connect(url: str, *, max_connections: int = 64) -> Primary:
    """The Redis of any URL that `runtime.redis_url` understands. Nothing is connected yet.

    Raises `BadSetting` for another URL, and for files of TLS that cannot be used.
    """
    address = read_url("REDIS_URL", url)
    options: dict[str, Any] = {
        "socket_timeout": ANSWER_WITHIN,
        "socket_connect_timeout": ANSWER_WITHIN,
        "socket_keepalive": True,
        # Every call may be sent twice: ids are made by the caller and leases have tokens. A call that timed out is not
        # sent again: its caller has waited long enough.
        "retry": Retry(ConstantBackoff(0.05), 1, supported_errors=(trouble.ConnectionError,)),
        "protocol": 2,
        # Otherwise each new connection sends the version of redis-py to Redis, which costs a millisecond and needs a
        # right of its own (CLIENT SETINFO).
        "driver_info": None,
        **address.options,
    }
    pooling = {"max_connections": max_connections, "timeout": ANSWER_WITHIN}
    connection = _packed_by_hiredis(SSLConnection if address.tls else Connection)

    def connected(node: Address) -> Redis:
        host, port = node
        kwargs = {**options, **pooling, "host": host, "port": port, "db": address.database}
        return Redis(connection_pool=BlockingConnectionPool(connection_class=connection, **kwargs))

    def clustered(seeds: Iterable[Address]) -> ClusterPrimary:
        return ClusterPrimary(seeds, connected, lambda nodes, failed: _discover(nodes, failed, address))

    match address.kind:
        case "cluster":
            return clustered(address.nodes)
        case "single":
            return NamedNode(connected(address.nodes[0]), address.nodes[0], clustered)
        case "socket":
            socket = {**options, **pooling, "path": address.path, "db": address.database}
            packing = _packed_by_hiredis(UnixDomainSocketConnection)
            return FixedClient(Redis(connection_pool=BlockingConnectionPool(connection_class=packing, **socket)))
        case "sentinel":
            # A dead Sentinel is not retried: the next one is asked.
            asking = {**sentinel_options(address), "retry": Retry(NoBackoff(), 0)}
            watch = _Sentinels(address.nodes, sentinel_kwargs=asking, **options)
            managed = _packed_by_hiredis(SentinelManagedSSLConnection if address.tls else SentinelManagedConnection)
            pool = _SentinelPool(
                address.service, watch, connection_class=managed, db=address.database, **options, **pooling
            )
            return FixedClient(Redis(connection_pool=pool), watch.aclose)


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


async def _discover(nodes: Iterable[Address], failed: Address | None, address: RedisUrl) -> ClusterNodes:
    """Ask nodes of a Cluster until one says which node has the ledger; the one that has failed is asked last."""
    signing_in = {name: value for name, value in address.options.items() if not name.startswith("socket_")}
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        dynamic_startup_nodes=False,
        require_full_coverage=False,  # the ledger is on one shard: the others may be away
        ssl=address.tls,
        driver_info=None,
        **{**DISCOVERY, **signing_in},
    )
    manager = cluster.nodes_manager
    try:
        await manager.initialize(last_failed_node_name=failed and f"{failed[0]}:{failed[1]}")
        primary = cluster.get_node_from_key(PREFIX)
        return ClusterNodes(_address(primary), tuple(_address(node) for node in cluster.get_nodes()))
    finally:
        await manager.aclose()
        await manager.aclose("startup_nodes")


def _address(node: ClusterNode | None) -> Address:
    if node is None:
        raise trouble.SlotNotCoveredError("no node of the Cluster has the ledger")
    return node.host, int(node.port)


class _SentinelPool(SentinelConnectionPool, BlockingConnectionPool):
    """Callers wait for a free connection, as with any other Redis."""


class _Sentinels(Sentinel):
    """Asks the other Sentinels when one answers with an error; where none helps, the exception names every answer."""

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


class _HiredisPacking:
    """Packs commands with hiredis. redis-py's asyncio connections pack them in Python, argument by argument, and the
    scripts here take thousands of arguments: that was a tenth of the cost of accepting a webhook."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name, *rest = args
        words = name.encode().split() if isinstance(name, str) else name.split()
        return [hiredis.pack_command((*words, *rest))]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [packed for command in commands for packed in self.pack_command(*command)]


def _packed_by_hiredis(plain: type[AbstractConnection]) -> type[AbstractConnection]:
    return type(f"Packing{plain.__name__}", (_HiredisPacking, plain), {})
