"""Webhooks as i'mport posts them: JSON or a form, unsigned, once unless retries are asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson
import structlog

from sandbox.book import Route, SandboxPayment

log = structlog.get_logger()

_KEPT = 10_000
_FIRST = aiohttp.ClientTimeout(total=40, connect=10, sock_read=30)
_AGAIN = aiohttp.ClientTimeout(total=15)
MINUTE = 60.0


class Webhooks:
    """Posts claims to the relay. ``sent`` keeps what was posted and what came back."""

    def __init__(self, url: str | None, between_retries: float = MINUTE) -> None:
        self._url = url
        self._between_retries = between_retries
        self._sessions: dict[str | None, aiohttp.ClientSession] = {}
        self.sent: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    async def send(
        self, payment: SandboxPayment, status: str | None = None, cancellation_id: str | None = None
    ) -> int | None:
        """Posts what i'mport posts about ``payment`` now; the answer's status code, None where none came."""
        claim = {
            "imp_uid": payment.imp_uid,
            "merchant_uid": payment.fields["merchant_uid"],
            "status": status or payment.fields["status"],
        }
        if cancellation_id is not None:
            claim["cancellation_id"] = cancellation_id
        return await self.post(claim, payment.route)

    async def post(self, claim: dict[str, Any], route: Route) -> int | None:
        """Posts any claim, made-up ones too; again after a network error or 5xx, as often as the route says."""
        url = self._target(route)
        if url is None:
            log.info("webhook_skipped", imp_uid=claim.get("imp_uid"), reason="SANDBOX_WEBHOOK_URL is not set")
            return None
        status_code = await self._post_once(url, claim, route, _FIRST)
        for _ in range(route.retries):
            if status_code is not None and status_code < 500:
                break
            await asyncio.sleep(self._between_retries)
            status_code = await self._post_once(url, claim, route, _AGAIN)
        return status_code

    async def close(self) -> None:
        """Closes every connection."""
        for session in self._sessions.values():
            await session.close()

    def _target(self, route: Route) -> str | None:
        url = route.url or self._url
        if url is None or route.merchant in (None, "default") or route.url is not None:
            return url
        return f"{url.rstrip('/')}/{route.merchant}"

    async def _post_once(
        self, url: str, claim: dict[str, Any], route: Route, timeout: aiohttp.ClientTimeout
    ) -> int | None:
        body = urlencode(list(_bracketed(claim))).encode() if route.form else orjson.dumps(claim)
        kind = "application/x-www-form-urlencoded" if route.form else "application/json"
        status_code, error = None, None
        try:
            async with self._session(route.source).post(
                url, data=body, headers={"content-type": kind}, timeout=timeout, allow_redirects=False
            ) as response:
                status_code = response.status
        except (aiohttp.ClientError, OSError) as raised:
            error = type(raised).__name__
        # The path of a merchant with a webhook token ends in it, so only its beginning is told.
        path = "/".join(urlsplit(url).path.split("/")[:3])
        told = {"imp_uid": claim.get("imp_uid"), "status": claim.get("status"), "status_code": status_code}
        self.sent.append({**claim, "path": path, "status_code": status_code, "error": error})
        log.info("webhook_sent", url_path=path, **told, **({"error": error} if error else {}))
        return status_code

    def _session(self, source: str | None) -> aiohttp.ClientSession:
        session = self._sessions.get(source)
        if session is None:
            connector = aiohttp.TCPConnector(limit=200, local_addr=(source, 0) if source else None)
            session = self._sessions[source] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return session


def _bracketed(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A form's fields: what is inside others has its place in brackets, `extra[escrow_status]`."""
    for name, inner in value.items():
        path = f"{prefix}[{name}]" if prefix else name
        if isinstance(inner, Mapping):
            yield from _bracketed(inner, path)
        else:
            yield path, inner
