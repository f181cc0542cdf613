"""The transport that callbacks leave by: httpx's interface over aiohttp's connections."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver
from httpx_aiohttp.transport import AiohttpResponseStream
from yarl import URL

from workers.callback_connections import MOST_HEAD, CallbackAnswer, CallbackConnector, attempt_seen
from workers.resolver import ForbiddenAddress, SystemResolver, Vet, VettingResolver

# Most servers drop an idle connection after 5 s or more; sending into one that is just being dropped fails.
KEEPALIVE_SECONDS = 4.0
LONGEST_KEPT = 60.0
"""Seconds after which a connection is not used again: a busy one would never notice that its name leads elsewhere."""
NAMES_KEPT = 10.0
"""Seconds for which an endpoint's addresses are not asked for again."""
READ_BUFFER = 16 * 1024


def tls_context() -> ssl.SSLContext:
    """Verifies against certifi's authorities and the system's; SSL_CERT_FILE and SSL_CERT_DIR stand in for the
    system's, as OpenSSL has it, so that a private authority can be added."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


class CallbackTransport(httpx.AsyncBaseTransport):
    """Sends requests over the connections of the session that `begin` makes within the loop it is first used in.

    A request's extension `target` (bytes) is what its first line asks for, sent as it is: URL libraries write the same
    URL in another way, and a signature over it would not hold any more.
    """

    def __init__(self, begin: Callable[[], aiohttp.ClientSession]) -> None:
        self._begin = begin
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; the answer's body is still to be read. Raises `aiohttp.ClientError` and `OSError`."""
        if self._session is None:
            self._session = self._begin()
        url = request.url
        target = request.extensions.get("target", url.raw_path).decode("ascii")
        answer = await self._session.request(
            request.method,
            URL.build(scheme=url.scheme, authority=url.netloc.decode("ascii"), path=target, encoded=True),
            headers=request.headers,
            data=request.content,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(),
        )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=AiohttpResponseStream(answer))

    async def aclose(self) -> None:
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
) -> httpx.AsyncBaseTransport:
    """A transport that connects only to addresses `vet` passes, knows no proxies and keeps no cookies.

    It is built without an event loop and belongs to the one it is first used in. It sets no limit to the number of
    connections, as the lanes do: a limit here would let endpoints that hang hold up all others. Addresses are kept for
    `names_kept` seconds, connections are used for `longest_kept` seconds of `clock` at most.
    """
    context = tls or tls_context()

    def begin() -> aiohttp.ClientSession:
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
            trace_configs=[_noting_reuse()],
        )

    return CallbackTransport(begin)


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
        attempt_seen.get().reused = True

    config = aiohttp.TraceConfig()
    config.on_connection_reuseconn.append(note)
    return config
