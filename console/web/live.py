"""Live pages: parts that have changed are sent as server-sent events, rendered the same way as the page.

A stream renders its page once a second, and ends with its session. It also ends after `LIFETIME`, and the browser opens
a new one. So a token that was removed from the settings is noticed, and no stream lasts for ever.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import orjson
import structlog
from starlette.responses import Response, StreamingResponse

from console.http.requests import InvalidFields
from console.web.rendering import Rendering
from console.web.visit import PageRoute, View, Visit
from schemas.errors import RelayError

POLL_EVERY = 1.0
"""Seconds between two renderings."""
LIFETIME = 300.0
"""Seconds after which a stream ends."""
_PATIENCE = 3.0
"""Seconds until the next rendering after one has failed."""
_KEEP_ALIVE = 15.0
"""Seconds without data after which a comment is sent, because proxies close idle streams."""
_AGO = re.compile(r'<span class="ago">[^<]*</span>')

log = structlog.get_logger()


class Live:
    """Streams of the parts of pages."""

    def __init__(self, rendering: Rendering) -> None:
        self._rendering = rendering

    def stream(self, page: PageRoute, visit: Visit, csrf: str, is_over: Callable[[], Awaitable[bool]]) -> Response:
        """The stream of a page's parts: as they are now, then each time they change, until the session `is_over`."""
        parts, headers = self._parts(page, visit, csrf, is_over), {"x-accel-buffering": "no"}
        return StreamingResponse(parts, headers=headers, media_type="text/event-stream")

    async def _parts(
        self, page: PageRoute, visit: Visit, csrf: str, is_over: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        ends, sent, spoke = time.monotonic() + LIFETIME, dict[str, bytes](), time.monotonic()
        is_ending: Callable[[], bool] = getattr(visit.request.app.state, "is_ending", bool)
        yield b"retry: 2000\n\n"
        while time.monotonic() < ends and not is_ending() and not await is_over():
            parts = await self._render(page, visit, csrf)
            if parts is None:
                # Afterwards, everything is sent again.
                sent.clear()
                yield _event("trouble", {})
                await asyncio.sleep(_PATIENCE)
                continue
            for name, html in parts.items():
                digest = hashlib.sha256(_AGO.sub("", html).encode()).digest()
                if sent.get(name) != digest:
                    sent[name], spoke = digest, time.monotonic()
                    yield _event("part", {"name": name, "html": html})
            if time.monotonic() - spoke > _KEEP_ALIVE:
                spoke = time.monotonic()
                yield b": still here\n\n"
            await asyncio.sleep(POLL_EVERY)

    async def _render(self, page: PageRoute, visit: Visit, csrf: str) -> dict[str, str] | None:
        """The parts as HTML, by name; None while they cannot be rendered."""
        current = replace(visit, clock=replace(visit.clock, now=time.time()), asked=[])
        try:
            view = await page.handler(current)
        except (RelayError, InvalidFields) as error:
            log.warning("live_part_failed", path=visit.request.url.path, reason=str(error))
            return None
        return self._rendering.parts(view, current, csrf) if isinstance(view, View) else {}


def _event(name: str, data: dict[str, str]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
