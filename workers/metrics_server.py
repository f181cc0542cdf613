"""A worker's `/metrics` and `/livez`, on a port of its own: each worker on a machine takes the next free one."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ledger.merchants import Merchants
from runtime.http_server import HttpServer
from runtime.listening import listen_from
from runtime.metrics import CONTENT_TYPE
from runtime.metrics_access import MetricsAccess
from runtime.settings import Settings
from runtime.version import relay_version
from schemas.problem import MEDIA_TYPE, problem_members
from schemas.reasons import Reason
from workers.metrics import WorkerMetrics

HOST = "127.0.0.1"

log = structlog.get_logger()


class MetricsServer:
    """Serves the metrics of one worker process in the event loop that does its work: if that hangs, no answer comes.

    `died` names a thread of the process that has died, None while all live.
    """

    def __init__(
        self, settings: Settings, metrics: WorkerMetrics, merchants: Merchants, died: Callable[[], str | None]
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._merchants = merchants
        self._access = MetricsAccess(settings.api_tokens)
        self._died = died

    async def check_breakers(self) -> None:
        """Forget the breakers that other processes have closed. Raises `LedgerUnavailable`."""
        await self._metrics.breakers.forget_answered(self._merchants)

    async def serve(self) -> None:
        """Answer until cancelled. Raises `BadSetting` if no port is free."""
        wanted = self._settings.metrics_port
        listener = listen_from(self._settings.host or HOST, wanted, "RELAY_METRICS_PORT")
        port = listener.getsockname()[1]
        taken = {"taken": wanted} if port != wanted else {}
        log.info("metrics_served", port=port, **taken)
        app = Starlette(routes=[Route("/metrics", self._answer_metrics), Route("/livez", self._answer_livez)])
        await HttpServer(app, last_answers=1, lifespan="off", stops_by_signals=False).serve_on(listener)

    async def _answer_metrics(self, request: Request) -> Response:
        if not self._access.admits(request.scope):
            needed = problem_members(401, Reason.of("token_needed"))
            return JSONResponse(needed, 401, {"www-authenticate": "Bearer"}, MEDIA_TYPE)
        return Response(self._metrics.exposed.exposition(), media_type=CONTENT_TYPE)

    async def _answer_livez(self, _request: Request) -> Response:
        if (died := self._died()) is not None:
            return JSONResponse({"status": "dying", "thread": died}, 503)
        return JSONResponse({"status": "alive", "version": relay_version()})
