"""The receiver's routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

import structlog

from receiver import responses
from receiver.responses import AsgiResponse

Handler = Callable[[Any, Any, list[bytes]], Awaitable[AsgiResponse | None]]
"""Takes scope, receive and the parts of the path behind the first; None when there is nobody left to answer."""

log = structlog.get_logger()


class Route(NamedTuple):
    """What answers under the first part of a path, and what answers to other methods. `deep` routes read the rest of
    the path themselves."""

    methods: tuple[str, ...]
    handler: Handler
    otherwise: Handler
    deep: bool = False


def routes(
    *, webhooks: Handler, livez: Handler, readyz: Handler, metrics: Handler, not_posted: Handler | None = None
) -> dict[bytes, Route]:
    """Everything there is. No route reads anything of a merchant's. `not_posted` answers to other methods than POST
    where webhooks are posted; 405 by itself."""
    read = ("GET", "HEAD")
    return {
        b"webhooks": Route(("POST",), webhooks, not_posted or _post_only, deep=True),
        b"livez": Route(read, livez, _get_only),
        b"readyz": Route(read, readyz, _get_only),
        b"metrics": Route(read, metrics, _get_only),
    }


class App:
    """The ASGI application."""

    def __init__(self, table: Mapping[bytes, Route], nowhere: Handler | None = None) -> None:
        """`nowhere` answers where no route is; 404 by itself."""
        self._table = table
        self._nowhere = nowhere or _nowhere

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        # Proxies that join a base and a path make two slashes of one; the path of `OPTIONS *` has none.
        first, *rest = scope["raw_path"].lstrip(b"/").split(b"/")
        route = self._table.get(first)
        answer: AsgiResponse | None
        if route is None or (rest and not route.deep):
            answer = await self._nowhere(scope, receive, rest)
        elif scope["method"] not in route.methods:
            answer = await route.otherwise(scope, receive, rest)
        else:
            try:
                answer = await route.handler(scope, receive, rest)
            except Exception:
                # Ours to repair; the sender is told to come again, which i'mport does after a 5xx.
                log.exception("request_failed", route=first.decode("latin-1"))
                answer = responses.UNKEPT
        if answer is not None:
            await send(answer.start)
            await send(answer.body)


async def _nowhere(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    return responses.NO_SUCH_PATH


async def _post_only(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    return responses.POST_ONLY


async def _get_only(_scope: Any, _receive: Any, _path: list[bytes]) -> AsgiResponse:
    return responses.GET_ONLY
