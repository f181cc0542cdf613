"""The console's routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from console.context import Context
from console.health import ConsoleHealth
from console.http.dispatch import OperatorApi
from console.http.docs_page import page
from console.http.openapi import describe
from console.http.problems import of_error, problem
from console.operations.audit import AuditTrail
from console.operations.token_uses import TokenUses
from console.resources.routes import OPERATIONS
from console.web.site import Site, is_browser
from runtime.api_tokens import ApiTokens
from schemas import wire
from schemas.errors import RelayError
from schemas.reasons import Reason
from schemas.webhook_address import DEFAULT_MERCHANT

_DOCS_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

log = structlog.get_logger()


def make_app(context: Context) -> Starlette:
    """The ASGI application; it closes the ledger when it ends."""
    tokens, uses = ApiTokens(context.settings.api_tokens), TokenUses(context.ledger.operators)
    health = ConsoleHealth(context, tokens, uses)
    trail = AuditTrail(context.ledger)
    site = Site(context, tokens, uses, trail)

    async def openapi(_request: Request) -> Response:
        described, _ = _documents()
        return Response(described, media_type="application/json")

    async def docs(_request: Request) -> Response:
        _, documented = _documents()
        return HTMLResponse(documented, headers={"content-security-policy": _DOCS_POLICY})

    async def refused(request: Request, error: Exception) -> Response:
        is_missing = isinstance(error, HTTPException) and error.status_code == 404
        return await site.not_found(request) if is_missing and is_browser(request) else await _refused(request, error)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        if context.settings.imp_key is not None:
            await _ensure_default_merchant(context)
        yield
        await context.accounts.close()
        await context.ledger.close()
        await context.history.close()

    app = Starlette(
        routes=[
            Route("/livez", health.livez),
            Route("/readyz", health.readyz),
            Route("/metrics", health.metrics),
            Route("/v1/openapi.json", openapi),
            Route("/v1/docs", docs),
            Mount("/v1", app=OperatorApi(context, OPERATIONS, tokens, uses, trail)),
            *site.routes,
        ],
        exception_handlers={HTTPException: refused, RelayError: _failed, Exception: _crashed},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


@cache
def _documents() -> tuple[bytes, str]:
    """The description of the API and the page that shows it. Most processes end before anybody asks for them, so they
    are made for the first who does, and every application of a process uses the same ones."""
    description = describe(OPERATIONS)
    return wire.dumps(description), page(description)


async def _ensure_default_merchant(context: Context) -> None:
    """Store the merchant whose credentials are in the environment, so that it is listed like any other."""
    try:
        await context.ledger.merchants.ensure(DEFAULT_MERCHANT)
    except RelayError as error:
        log.warning("default_merchant_not_stored", reason=str(error))


async def _refused(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    match status:
        case 404:
            reason = Reason.of("nothing_at_path")
        case 405:
            reason = Reason.of("method_not_allowed", allowed=(headers or {}).get("Allow"))
        case _:
            reason = Reason.of("request_refused")
    return problem(status, reason, headers=headers)


async def _failed(_request: Request, error: Exception) -> Response:
    return of_error(error) if isinstance(error, RelayError) else problem(500, Reason.of("unexpected_error"))


async def _crashed(request: Request, error: Exception) -> Response:
    log.error("request_crashed", path=request.url.path, exc_info=error)
    return problem(500, Reason.of("unexpected_error"))
