"""Liveness, readiness and metrics of the console, for load balancers and Prometheus."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from console.context import Context
from console.http.problems import problem
from console.metrics import exposition
from console.operations.history_state import history_state
from console.operations.redis_status import redis_status, unless_refused, why_not_open
from console.operations.token_uses import TokenUses
from console.resources.stats import HistoryOut, MemoryOut, RedisStats, works
from ledger.heartbeats import Worker, running
from runtime.api_tokens import ApiTokens
from runtime.metrics import CONTENT_TYPE
from runtime.metrics_access import is_local
from runtime.version import relay_version
from schemas.errors import LedgerUnavailable
from schemas.reasons import Reason, english


class ConsoleHealth:
    """The answers of /livez, /readyz and /metrics."""

    def __init__(self, context: Context, tokens: ApiTokens, uses: TokenUses) -> None:
        self._context = context
        self._ledger = context.ledger
        self._watch = context.ledger.acl_watch
        self._tokens = tokens
        self._uses = uses

    async def livez(self, _request: Request) -> Response:
        """200 while the process answers."""
        return JSONResponse({"status": "alive", "version": relay_version()})

    async def readyz(self, _request: Request) -> Response:
        """200 while this console can rely on Redis.

        The body also reports troubles that any other console would have, too: why Redis is not durable, how full it is,
        which workers run, whether history is away. If Redis does not let the console read a value, that value is null,
        the status is 503, and `ledger` names the missing right. If the ledger was lost, `ledger` says what to do.
        """
        try:
            durability = await unless_refused(self._ledger.durability())
            workers = await unless_refused(self._ledger.heartbeats.all())
            full = await unless_refused(self._ledger.memory())
            seen = await redis_status(self._context)
            closed = await unless_refused(why_not_open(self._context))
            history = await unless_refused(history_state(self._context))
        except LedgerUnavailable as error:
            return problem(503, error.reason, headers={"retry-after": "1"})
        ready = durability is not None and workers is not None and full is not None and closed is None
        report = {
            "status": "ready" if ready else "unavailable",
            "redis": durability and RedisStats.model_validate(durability).model_dump(),
            "memory": full and MemoryOut.model_validate(full).model_dump(),
            "ledger": works(seen.ledger).model_dump(),
            "queue": works(seen.queue).model_dump(),
            "workers": None if workers is None else _of_workers(workers),
            "history": history and HistoryOut.model_validate(history).model_dump(),
        }
        return JSONResponse(report, 200 if ready else 503, headers=None if ready else {"retry-after": "1"})

    async def metrics(self, request: Request) -> Response:
        """Prometheus' text, for callers with a token or from this machine. While Redis is away, it has only metrics of
        the console itself."""
        caller = self._tokens.caller(request.headers.get("authorization"))
        if caller is not None:
            await self._uses.note(caller.name)
        elif not is_local(request.scope):
            return problem(401, Reason.of("token_needed"), headers={"www-authenticate": "Bearer"})
        return Response(await exposition(self._context), media_type=CONTENT_TYPE)


def _of_workers(workers: Sequence[Worker]) -> dict[str, Any]:
    return {
        "running": running(workers),
        "quiet": [worker.name for worker in workers if worker.quiet],
        "troubles": sorted({english(worker.trouble) for worker in workers if worker.trouble and not worker.quiet}),
    }
