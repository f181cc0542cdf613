"""The transport production uses: httpx over aiohttp, as its pool costs a tenth of httpx's own."""

from __future__ import annotations

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

# Below the idle time after which servers commonly close a connection (5 s), so that a cancellation, which is never
# sent twice, is not lost on a connection that the other side has just given up.
_KEEPALIVE = 4.0


def production_transport(*, connections: int = 100) -> httpx.AsyncBaseTransport:
    """A transport for one event loop, holding at most ``connections`` connections; close it with ``aclose()``.

    It keeps no cookies, follows no redirects, reads no proxy settings and belongs to the loop of its first request.
    """
    tls = httpx.create_ssl_context()

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEEPALIVE, ssl=tls)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return AiohttpTransport(verify=tls, client=session)
