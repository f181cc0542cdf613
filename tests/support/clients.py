"""Clients of HTTP servers on loopback. httpx's own take 30 ms of CPU each, for certificates that nothing here shows,
and twice as much for a request as those over aiohttp."""

from __future__ import annotations

import ssl
import time
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from tests.support.waiting import PATIENCE

_TRUSTS_NONE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(url: str = "", **options: Any) -> httpx.AsyncClient:
    """A client of the server at this URL: patient, and without proxies unless the options say otherwise."""
    usual: dict[str, Any] = {"base_url": url, "trust_env": False, "timeout": PATIENCE}
    return httpx.AsyncClient(**{"transport": _transport()} | usual | options)


def seeing_its_writes(url: str, **options: Any) -> httpx.AsyncClient:
    """A client of the API that asks for a list again where history was behind: it sees what was written before, also
    on a machine that is so busy that the recorder takes longer than the API waits for it."""
    return http_client(url, transport=_SeeingWrites(_transport()), **options)


def _transport() -> AiohttpTransport:
    return AiohttpTransport(verify=_TRUSTS_NONE, client=_session)


def _session() -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(keepalive_timeout=5.0), cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )
    session._retry_connection = False  # as aiohttp's own client for tests: a server that breaks off is seen
    return session


class _SeeingWrites(httpx.AsyncBaseTransport):
    def __init__(self, plain: httpx.AsyncBaseTransport) -> None:
        self._plain = plain

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        ends = time.monotonic() + PATIENCE
        while True:
            answer = await self._plain.handle_async_request(request)
            if "relay-history-behind" not in answer.headers or time.monotonic() > ends:
                return answer
            await answer.aclose()

    async def aclose(self) -> None:
        await self._plain.aclose()
