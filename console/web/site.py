"""All there is of the web console: its pages as routes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from starlette.routing import BaseRoute, Route

from console.api.operation import Operation
from console.api.tokens import Tokens
from console.context import Context
from console.web.asking import Desk
from console.web.gate import Gate
from console.web.live import Live
from console.web.pages import (
    deliveries,
    endpoints,
    events,
    find,
    merchants,
    notifications,
    overview,
    payments,
    preferences,
    reconciliations,
    replays,
    settings,
    signing_in,
    story,
    wiring,
)
from console.web.rendering import Rendering
from console.web.sessions import Sessions
from console.web.static import Static
from console.web.visit import Page

_ROOMS = (
    overview, payments, story, events, wiring, endpoints, deliveries, replays, notifications, reconciliations,
    merchants, settings, find, preferences,
)  # fmt: skip
PAGES: tuple[Page, ...] = tuple(chain.from_iterable(room.PAGES for room in _ROOMS))


def web_routes(context: Context, operations: Sequence[Operation], tokens: Tokens) -> list[BaseRoute]:
    """The routes of the web console; those of its pages come after whatever else the application has."""
    static = Static()
    rendering = Rendering(static)
    sessions = Sessions(context.sealer, tokens, context.settings.api_tokens)
    gate = Gate(Desk(context, operations), context.sealer, sessions, rendering, Live(rendering))
    signing = signing_in.pages(sessions)
    return [
        Route("/static/{version}/{name}", static.serve, methods=["GET"]),
        *(Route(page.path, gate.opens(page), methods=[page.method]) for page in (*PAGES, *signing)),
    ]
