"""The cookies of the console: the session, what a reader prefers, and a notice for the next page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from runtime.encryption import Sealer
from schemas.errors import Unreadable

SESSION, VISITOR, NOTICE = "relay_session", "relay_visitor", "relay_notice"
PREFERENCES = {"language": "relay_language", "theme": "relay_theme", "zone": "relay_zone"}
_YEAR = 365 * 86400


def is_secure(request: Request) -> bool:
    """Whether the browser speaks https, to us or to a proxy in front of us. A forged header only makes the cookie
    stricter."""
    return request.url.scheme == "https" or request.headers.get("x-forwarded-proto", "").lower() == "https"


def put(request: Request, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
    """Set a cookie that no script reads and no other site causes to be sent; until the browser ends unless given."""
    response.set_cookie(
        name, value, max_age=seconds, path="/", secure=is_secure(request), httponly=True, samesite="strict"
    )


def remember(request: Request, response: Response, name: str, value: str) -> None:
    """Keep what a reader prefers, for a year."""
    put(request, response, PREFERENCES[name], value, seconds=_YEAR)


def drop(request: Request, response: Response, name: str) -> None:
    """Take a cookie back."""
    response.delete_cookie(name, path="/", secure=is_secure(request), httponly=True, samesite="strict")


def pack_notice(sealer: Sealer, notice: str, values: Mapping[str, str], *, bad: bool) -> str:
    """A notice for the next page, sealed, so that no other site can write one."""
    return sealer.seal(orjson.dumps({"notice": notice, "values": dict(values), "bad": bad}).decode())


def open_notice(sealer: Sealer, cookie: str | None) -> Mapping[str, Any] | None:
    """The notice that the last page left, if any."""
    if not cookie:
        return None
    try:
        row = orjson.loads(sealer.open(cookie))
    except (Unreadable, ValueError):
        return None
    return row if isinstance(row, dict) and "notice" in row else None
