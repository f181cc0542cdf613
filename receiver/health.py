"""Is the receiver alive, can it acknowledge, and what does it count: for load balancers, people and Prometheus."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from receiver import responses
from receiver.acceptor import LOOK_AGAIN, Acceptor
from receiver.metrics import ReceiverMetrics
from receiver.ports import Spool
from receiver.responses import AsgiResponse
from receiver.source_address import SourceAddresses


async def livez(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    """The process answers."""
    return responses.ALIVE


class Readyz:
    """200 while a webhook could be acknowledged, from Redis or from the spool; names what is weak about Redis."""

    def __init__(self, keeper: Acceptor, spool: Spool, *, require_durable: bool) -> None:
        self._keeper = keeper
        self._spool = spool
        self._require_durable = require_durable
        self._asking = asyncio.Lock()
        self._asked = float("-inf")
        self._answer = responses.UNKEPT

    async def __call__(self, _scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
        """The state now; however many ask, Redis and the disk are asked once a second at most."""
        async with self._asking:
            if time.monotonic() - self._asked >= LOOK_AGAIN:
                self._answer = await self._look()
                self._asked = time.monotonic()
        return self._answer

    async def _look(self) -> AsgiResponse:
        redis, trouble = await asyncio.gather(self._keeper.look(), self._spool.trouble())
        ready = self._keeper.acknowledges_from_redis or trouble is None
        report = {
            "status": "ready" if ready else "unavailable",
            "acknowledges_from": self._place(trouble),
            "redis": {"available": redis.available, "durable": redis.durable, "reasons": list(redis.reasons)},
            "spool": {"available": trouble is None, "reason": trouble},
            "require_durable": self._require_durable,
        }
        return responses.json(200 if ready else 503, report)

    def _place(self, spool_trouble: str | None) -> str | None:
        if self._keeper.acknowledges_from_redis:
            return "redis"
        return "spool" if spool_trouble is None else None


class MetricsPage:
    """Prometheus' text, for this machine and for whoever has a token of the operator API."""

    def __init__(self, counts: ReceiverMetrics, senders: SourceAddresses, tokens: Sequence[str]) -> None:
        self._counts = counts
        self._senders = senders
        self._tokens = tuple(token.encode() for token in tokens)

    async def __call__(self, scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
        """The numbers, or 401."""
        headers = scope["headers"]
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        if not self._senders.of(scope["client"], forwarded).local and not self._has_token(headers):
            return responses.NO_TOKEN
        return responses.answer(200, self._counts.exposition(), CONTENT_TYPE_LATEST)

    def _has_token(self, headers: list[tuple[bytes, bytes]]) -> bool:
        scheme, _, given = next((value for name, value in headers if name == b"authorization"), b"").partition(b" ")
        matches = [hmac.compare_digest(given.strip(), token) for token in self._tokens]
        return scheme.lower() == b"bearer" and any(matches)
