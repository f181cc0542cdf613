"""The whole web console: its pages as routes."""

from __future__ import annotations

from itertools import chain

from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from console.context import Context
from console.operations.audit import AuditTrail
from console.operations.sign_in import EndedSessions, SignInLimit
from console.operations.token_uses import TokenUses
from console.web.devices import Devices
from console.web.live import Live
from console.web.page_guard import PageGuard
from console.web.pages import (
    audit,
    deliveries,
    endpoint_form,
    endpoints,
    events,
    exports,
    figures,
    merchants,
    notifications,
    overview,
    payment_detail,
    payments,
    preferences,
    reconciliations,
    replays,
    search,
    settings,
    sign_in,
)
from console.web.rendering import Rendering
from console.web.sessions import Sessions
from console.web.static import Static
from console.web.visit import PageResult, PageRoute, Visit
from runtime.api_tokens import ApiTokens
from runtime.proxies import TrustedProxies
from schemas.errors import NotFound
from schemas.reasons import Reason

_MODULES = (
    overview, figures, payments, payment_detail, events, endpoint_form, endpoints, deliveries, replays, notifications,
    reconciliations, merchants, audit, exports, settings, search, preferences,
)  # fmt: skip
PAGES: tuple[PageRoute, ...] = tuple(chain.from_iterable(module.PAGES for module in _MODULES))


class Site:
    """The web console for an application: its `routes`, and the page for unknown addresses (`not_found`)."""

    def __init__(self, context: Context, tokens: ApiTokens, uses: TokenUses, trail: AuditTrail) -> None:
        static = Static()
        rendering = Rendering(static)
        sessions = Sessions(context.sealer, tokens, context.settings.api_tokens)
        ended, limit = EndedSessions(context), SignInLimit(context)
        proxies = TrustedProxies(context.settings.trusted_proxies)
        guard = PageGuard(context, sessions, ended, uses, proxies, rendering, Live(rendering), trail)
        pages = (*PAGES, *sign_in.pages(sessions, Devices(context.sealer), ended, limit, proxies))
        self.routes: list[BaseRoute] = [
            Route("/static/{version}/{name}", static.serve, methods=["GET"]),
            *(Route(page.path, guard.guarded_handler(page), methods=[page.method]) for page in pages),
        ]
        self.not_found = guard.guarded_handler(PageRoute("/{path}", _not_found))


def is_browser(request: Request) -> bool:
    """Whether a request comes from a browser, not from a program that calls the operator API."""
    is_page = request.method in ("GET", "HEAD") and not request.url.path.startswith("/v1")
    return is_page and "text/html" in request.headers.get("accept", "")


async def _not_found(visit: Visit) -> PageResult:
    raise NotFound(Reason.of("path_not_found", path=visit.request.url.path[:200]))
