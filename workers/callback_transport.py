"""The transport that sends callbacks over aiohttp's connections."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from yarl import URL

from runtime.authorities import read_once
from workers.callback_connections import MOST_HEAD, CallbackAnswer, CallbackConnector, attempt_progress
from workers.resolver import ForbiddenAddress, SystemResolver, Vet, VettingResolver

# Most servers close an idle connection after 5 s or more, and a request sent during that close fails.
KEEPALIVE_SECONDS = 4.0
LONGEST_KEPT = 60.0
"""Seconds after which a connection is not used again, so that a busy one follows its name to a new address."""
NAMES_KEPT = 10.0
"""Seconds for which an endpoint's addresses are cached."""
READ_BUFFER = 16 * 1024
_NO_TIMEOUT = aiohttp.ClientTimeout()
"""The sender limits the time."""


@read_once
def tls_context() -> ssl.SSLContext:
    """A context that trusts certifi's authorities and the system's. As everywhere in OpenSSL, SSL_CERT_FILE and
    SSL_CERT_DIR replace the system's, so an operator can add a private authority."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class CallbackTransport:
    """Sends requests over a session that `new_session` makes in the event loop of the first request."""

    def __init__(self, new_session: Callable[[], aiohttp.ClientSession]) -> None:
        self._new_session = new_session
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: URL, headers: Mapping[str, str], body: bytes) -> aiohttp.ClientResponse:
        """POST a body and return the answer, its own body unread; the caller must close it. Raises
        `aiohttp.ClientError` and `OSError`."""
        if self._session is None:
            self._session = self._new_session()
        return await self._session.request(
            "POST", url, headers=headers, data=body, allow_redirects=False, timeout=_NO_TIMEOUT
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


def callback_transport(
    vet: Vet,
    *,
    tls: ssl.SSLContext | None = None,
    resolver: AbstractResolver | None = None,
    names_kept: float = NAMES_KEPT,
    longest_kept: float = LONGEST_KEPT,
    clock: Callable[[], float] = time.monotonic,
) -> CallbackTransport:
    """A transport that connects only to addresses that `vet` permits, without proxies and cookies.

    It can be built outside an event loop, and belongs to the loop that uses it first. It does not limit the number of
    connections: the lanes do, and a common limit would let endpoints that hang block all others. Addresses are cached
    for `names_kept` seconds; connections are used for `longest_kept` seconds of `clock` at most.
    """
    context = tls or tls_context()

    def new_session() -> aiohttp.ClientSession:
        connector = CallbackConnector(
            ssl=context,
            resolver=VettingResolver(resolver or SystemResolver(), vet),
            ttl_dns_cache=names_kept,
            limit=0,
            keepalive_timeout=KEEPALIVE_SECONDS,
            socket_factory=_guarded(vet),
            longest_kept=longest_kept,
            clock=clock,
        )
        return aiohttp.ClientSession(
            connector=connector,
            response_class=CallbackAnswer,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=READ_BUFFER,
            max_line_size=MOST_HEAD,
            max_field_size=MOST_HEAD,
            max_headers=MOST_HEAD,
            trace_configs=[_recording_reuse()],
        )

    return CallbackTransport(new_session)


def _guarded(vet: Vet) -> Any:
    """A socket factory for aiohttp that vets every address again just before the connection is made."""

    def factory(address: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, name = address
        reason = vet(name[0])
        if reason is not None:
            raise ForbiddenAddress(reason)
        return socket.socket(family, kind, proto)

    return factory


def _recording_reuse() -> aiohttp.TraceConfig:
    async def record(*_: object) -> None:
        attempt_progress.get().reused = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(record)
    return config
