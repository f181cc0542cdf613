"""The transport in production: httpx over aiohttp, whose connection pool costs a tenth of httpx's own."""

from __future__ import annotations

import ssl
from urllib.parse import unquote, urlsplit

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from runtime.authorities import read_once
from runtime.settings import Settings

CONNECTIONS = 100
# Servers commonly close an idle connection after 5 s. A cancellation is never sent twice, so it must not be lost on a
# connection that the server is just closing.
_KEEPALIVE = 4.0


def production_transport(*, proxy: str | None = None) -> httpx.AsyncBaseTransport:
    """A transport for one event loop, holding at most `CONNECTIONS` connections; close it with ``aclose()``.

    Requests go through ``proxy`` (``http://[user:password@]host:port``) if there is one: to https by CONNECT, to http
    as whole requests. It keeps no cookies, follows no redirects, ignores the environment's proxy settings and belongs
    to the loop of its first request.
    """
    tls = _tls_context()

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=_KEEPALIVE, ssl=tls)
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    return AiohttpTransport(verify=tls, client=session, proxy=None if proxy is None else _proxy(proxy))


@read_once
def _tls_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _proxy(address: str) -> httpx.Proxy:
    url = urlsplit(address)
    auth = None if url.username is None else (unquote(url.username), unquote(url.password or ""))
    return httpx.Proxy(f"http://{url.netloc.rpartition('@')[2]}", auth=auth)


def iamport_transport(settings: Settings) -> httpx.AsyncBaseTransport:
    """The transport to i'mport that the settings ask for."""
    proxy = settings.iamport_proxy
    return production_transport(proxy=None if proxy is None else proxy.get_secret_value())
