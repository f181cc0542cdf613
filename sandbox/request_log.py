"""The requests to i'mport's API, for tests and for people who count look-ups."""

from __future__ import annotations

import time
from collections import Counter, deque
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEPT = 10_000


class RequestLog:
    """The last requests: ``{at, method, path, imp_uids, status_code}``; without bodies and headers."""

    def __init__(self) -> None:
        self.entries: deque[dict[str, Any]] = deque(maxlen=_KEPT)

    def summary(self) -> dict[str, Any]:
        """The number of requests, in all and by path, and the requests, oldest first."""
        paths = Counter(f"{entry['method']} {entry['path']}" for entry in self.entries)
        return {"count": len(self.entries), "paths": dict(paths), "requests": list(self.entries)}


class RequestLogMiddleware:
    """Middleware that records each request of i'mport's API, and its status once it is answered."""

    def __init__(self, app: ASGIApp, request_log: RequestLog) -> None:
        self._app = app
        self._request_log = request_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Records one request."""
        if scope["type"] != "http" or scope["path"].startswith("/_sandbox"):
            await self._app(scope, receive, send)
            return
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        entry: dict[str, Any] = {
            "at": time.time(),
            "method": scope["method"],
            "path": scope["path"],
            "imp_uids": [value for name, value in query if name == "imp_uid[]"],
            "status_code": None,
        }
        self._request_log.entries.append(entry)

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry["status_code"] = message["status"]
            await send(message)

        await self._app(scope, receive, watch)
