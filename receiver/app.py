"""The receiver's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import structlog

from receiver import responses
from receiver.responses import AsgiResponse

Handler = Callable[[Any, Any, list[bytes]], Awaitable[AsgiResponse | None]]
"""Takes scope, receive and the parts of the path after the first; returns None if the client has left."""

log = structlog.get_logger()


class Route(NamedTuple):
    """The first part of a path: `handler` answers `methods`, `otherwise` answers others. A `deep` route also takes
    longer paths."""

    methods: tuple[str, ...]
    handler: Handler
    otherwise: Handler
    deep: bool = False


def routes(
    *, webhooks: Handler, livez: Handler, readyz: Handler, metrics: Handler, not_posted: Handler | None = None
) -> dict[bytes, Route]:
    """All routes; none exposes merchants' data. `not_posted` answers methods other than POST where webhooks
    are posted; without it the answer is 405."""
    read = ("GET", "HEAD")
    return {
        b"webhooks": Route(("POST",), webhooks, not_posted or _post_only, deep=True),
        b"livez": Route(read, livez, _get_only),
        b"readyz": Route(read, readyz, _get_only),
        b"metrics": Route(read, metrics, _get_only),
    }


class ReceiverApp:
    """The ASGI application."""

    def __init__(self, table: Mapping[bytes, Route], no_such_path: Handler | None = None) -> None:
        """`no_such_path` answers where there is no route; without it the answer is 404."""
        self._table = table
        self._no_such_path = no_such_path or _no_such_path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        # A proxy that joins a base and a path may write two slashes; the path of `OPTIONS *` has none.
        first, *rest = scope["raw_path"].lstrip(b"/").split(b"/")
        route = self._table.get(first)
        answer: AsgiResponse | None
        if route is None or (rest and not route.deep):
            answer = await self._no_such_path(scope, receive, rest)
        elif scope["method"] not in route.methods:
            answer = await route.otherwise(scope, receive, rest)
        else:
            try:
                answer = await route.handler(scope, receive, rest)
            except Exception:
                # A bug of ours. The client is asked to send again, which i'mport does after a 5xx.
                log.exception("request_failed", route=first.decode("latin-1"))
                answer = responses.UNAVAILABLE
        if answer is not None:
            await send(answer.start)
            await send(answer.body)


async def _no_such_path(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    return responses.NO_SUCH_PATH


async def _post_only(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    return responses.POST_ONLY


async def _get_only(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    return responses.GET_ONLY
