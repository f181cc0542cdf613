"""Webhooks as i'mport posts them: JSON or a form, unsigned, once unless ``retries`` says otherwise."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import orjson
import structlog

from sandbox.payments import SandboxPayment, WebhookTarget

log = structlog.get_logger()

_KEPT = 10_000
_FIRST = aiohttp.ClientTimeout(total=40, connect=10, sock_read=30)
_AGAIN = aiohttp.ClientTimeout(total=15)
MINUTE = 60.0


class Webhooks:
    """Posts webhooks to the relay. ``sent`` holds the latest ones with the status code of each."""

    def __init__(self, url: str | None, between_retries: float = MINUTE) -> None:
        self._url = url
        self._between_retries = between_retries
        self._sessions: dict[str | None, aiohttp.ClientSession] = {}
        self.sent: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    async def send(
        self, payment: SandboxPayment, status: str | None = None, cancellation_id: str | None = None
    ) -> int | None:
        """Posts the webhook that i'mport would post about ``payment`` now. Returns the status code of the answer, None
        without an answer."""
        body = {
            "imp_uid": payment.imp_uid,
            "merchant_uid": payment.fields["merchant_uid"],
            "status": status or payment.fields["status"],
        }
        if cancellation_id is not None:
            body["cancellation_id"] = cancellation_id
        return await self.post(body, payment.webhook_target)

    async def post(self, body: dict[str, Any], target: WebhookTarget) -> int | None:
        """Posts any body, even a made-up one; again after a network error or 5xx, up to the target's ``retries``."""
        url = self._url_of(target)
        if url is None:
            log.info("webhook_skipped", imp_uid=body.get("imp_uid"), reason="SANDBOX_WEBHOOK_URL is not set")
            return None
        status_code = await self._post_once(url, body, target, _FIRST)
        for _ in range(target.retries):
            if status_code is not None and status_code < 500:
                break
            await asyncio.sleep(self._between_retries)
            status_code = await self._post_once(url, body, target, _AGAIN)
        return status_code

    async def close(self) -> None:
        """Closes every connection."""
        for session in self._sessions.values():
            await session.close()

    def _url_of(self, target: WebhookTarget) -> str | None:
        url = target.url or self._url
        if url is None or target.merchant in (None, "default") or target.url is not None:
            return url
        return f"{url.rstrip('/')}/{target.merchant}"

    async def _post_once(
        self, url: str, body: dict[str, Any], target: WebhookTarget, timeout: aiohttp.ClientTimeout
    ) -> int | None:
        data = urlencode(list(_bracketed(body))).encode() if target.form else orjson.dumps(body)
        kind = "application/x-www-form-urlencoded" if target.form else "application/json"
        status_code, error = None, None
        try:
            async with self._session(target.source).post(
                url, data=data, headers={"content-type": kind}, timeout=timeout, allow_redirects=False
            ) as response:
                status_code = response.status
        except (aiohttp.ClientError, OSError) as raised:
            error = type(raised).__name__
        # The path may end with a webhook token, so only its beginning is logged.
        path = "/".join(urlsplit(url).path.split("/")[:3])
        logged = {"imp_uid": body.get("imp_uid"), "status": body.get("status"), "status_code": status_code}
        self.sent.append({**body, "path": path, "status_code": status_code, "error": error})
        log.info("webhook_sent", url_path=path, **logged, **({"error": error} if error else {}))
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
    """The fields of a form; nested ones are named with brackets, `extra[escrow_status]`."""
    for name, inner in value.items():
        path = f"{prefix}[{name}]" if prefix else name
        if isinstance(inner, Mapping):
            yield from _bracketed(inner, path)
        else:
            yield path, inner
