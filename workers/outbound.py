"""The transport that callbacks leave by: httpx's interface over aiohttp's connections."""

from __future__ import annotations

import resource
import socket
import ssl
from contextvars import ContextVar
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp import AiohttpTransport

from workers.resolver import ForbiddenAddress, SystemResolver, Vet, VettingResolver

# Most servers drop an idle connection after 5 s or more; sending into one that is just being dropped fails.
KEEPALIVE_SECONDS = 4.0
READ_BUFFER = 16 * 1024

reused: ContextVar[bool] = ContextVar("reused", default=False)
"""Whether the request now under way in this task was sent over a connection that had carried others."""


def tls_context() -> ssl.SSLContext:
    """Verifies against certifi's authorities and the system's; SSL_CERT_FILE and SSL_CERT_DIR stand in for the
    system's, as OpenSSL has it, so that a private authority can be added."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


def allow_connections(wanted: int) -> None:
    """Let this process have so many files open, or as many as it may: an endpoint that hangs keeps a connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )


def callback_transport(
    vet: Vet, *, tls: ssl.SSLContext | None = None, resolver: AbstractResolver | None = None
) -> httpx.AsyncBaseTransport:
    """A transport that connects only to addresses `vet` passes, knows no proxies and keeps no cookies.

    It is built without an event loop and belongs to the one it is first used in. It sets no limit to the number of
    connections, as the lanes do: a limit here would let endpoints that hang hold up all others.
    """
    context = tls or tls_context()

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=context,
            resolver=VettingResolver(resolver or SystemResolver(), vet),
            limit=0,
            keepalive_timeout=KEEPALIVE_SECONDS,
            socket_factory=_guarded(vet),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            read_bufsize=READ_BUFFER,
            trace_configs=[_noting_reuse()],
        )

    return AiohttpTransport(verify=context, trust_env=False, client=session)


def _guarded(vet: Vet) -> Any:
    """A socket factory for aiohttp that looks at every address once more as it is about to be connected to."""

    def factory(address: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, name = address
        reason = vet(name[0])
        if reason is not None:
            raise ForbiddenAddress(reason)
        return socket.socket(family, kind, proto)

    return factory


def _noting_reuse() -> aiohttp.TraceConfig:
    async def note(*_: object) -> None:
        reused.set(True)

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(note)
    return config
