"""Liveness, readiness and metrics of the receiver, for load balancers, people and Prometheus."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from receiver import responses
from receiver.acceptor import STATE_IS_GOOD_FOR, Acceptor
from receiver.interfaces import Spool
from receiver.responses import AsgiResponse
from runtime.metrics import CONTENT_TYPE, Metrics
from runtime.metrics_access import MetricsAccess
from schemas.reasons import Reason, english


async def livez(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    """The process answers."""
    return responses.ALIVE


class Readyz:
    """200 while a webhook could be acknowledged, from Redis or from the spool; reports what is wrong with Redis."""

    def __init__(self, acceptor: Acceptor, spool: Spool, *, require_durable: bool) -> None:
        self._acceptor = acceptor
        self._spool = spool
        self._require_durable = require_durable
        self._checking = asyncio.Lock()
        self._checked_at = float("-inf")
        self._answer = responses.UNAVAILABLE

    async def __call__(self, _scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
        """The state now. Redis and the disk are checked once a second at most, however many requests come."""
        async with self._checking:
            if time.monotonic() - self._checked_at >= STATE_IS_GOOD_FOR:
                self._answer = await self._check()
                self._checked_at = time.monotonic()
        return self._answer

    async def _check(self) -> AsgiResponse:
        redis, trouble = await asyncio.gather(self._acceptor.check_redis(), self._spool.trouble())
        ready = self._acceptor.acknowledges_from_redis or trouble is None
        report = {
            "status": "ready" if ready else "unavailable",
            "acknowledges_from": self._place(trouble),
            "redis": {
                "available": redis.available,
                "durable": redis.durable,
                "reasons": list(map(english, redis.reasons)),
                "reason_codes": [reason.decisive for reason in redis.reasons],
            },
            "spool": {
                "available": trouble is None,
                "reason": trouble and english(trouble),
                "reason_code": trouble and trouble.decisive,
            },
            "require_durable": self._require_durable,
        }
        return responses.json(200 if ready else 503, report)

    def _place(self, spool_trouble: Reason | None) -> str | None:
        if self._acceptor.acknowledges_from_redis:
            return "redis"
        return "spool" if spool_trouble is None else None


class MetricsPage:
    """Prometheus' text, for this machine and for holders of an API token."""

    def __init__(self, metrics: Metrics, access: MetricsAccess) -> None:
        self._metrics = metrics
        self._access = access

    async def __call__(self, scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
        """The metrics, or 401."""
        if not self._access.admits(scope):
            return responses.NO_TOKEN
        return responses.answer(200, self._metrics.exposition(), CONTENT_TYPE)
