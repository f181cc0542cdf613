"""Clients of HTTP servers on loopback. httpx's own take 30 ms of CPU each, for certificates that nothing here shows."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from tests.support.waiting import PATIENCE

_TRUSTS_NONE = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def http_client(url: str = "", **options: Any) -> httpx.AsyncClient:
    """A client of the server at this URL: patient, and without proxies unless the options say otherwise."""
    usual: dict[str, Any] = {"base_url": url, "verify": _TRUSTS_NONE, "trust_env": False, "timeout": PATIENCE}
    return httpx.AsyncClient(**usual | options)
