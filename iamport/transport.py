"""The transport in production: httpx over aiohttp, whose connection pool costs a tenth of httpx's own."""

from __future__ import annotations

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from runtime.authorities import trusted_authorities
from runtime.proxy_url import ProxyUrl, parse
from runtime.settings import Settings

CONNECTIONS = 100
# Servers commonly close an idle connection after 5 s. A cancellation is never sent twice, so it must not be lost on a
# connection that the server is just closing.
_KEEPALIVE = 4.0


def production_transport(*, proxy: ProxyUrl | None = None) -> httpx.AsyncBaseTransport:
    """A transport for one event loop, holding at most `CONNECTIONS` connections; close it with ``aclose()``.

    Requests go through ``proxy`` if there is one: to https by CONNECT, to http
    as whole requests. It keeps no cookies, follows no redirects, ignores the environment's proxy settings and belongs
    to the loop of its first request.
    """
    tls = trusted_authorities()

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=_KEEPALIVE, ssl=tls)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    return AiohttpTransport(verify=tls, client=session, proxy=None if proxy is None else _proxy(proxy))


def _proxy(url: ProxyUrl) -> httpx.Proxy:
    return httpx.Proxy(url.address, auth=None if url.user is None else (url.user, url.password))


def iamport_transport(settings: Settings) -> httpx.AsyncBaseTransport:
    """The transport to i'mport that the settings ask for."""
    proxy = settings.iamport_proxy
    return production_transport(proxy=None if proxy is None else parse(proxy.get_secret_value()))
