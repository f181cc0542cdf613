"""The console's cookies: the session, the mark of a browser that has signed in, a reader's preferences, and a notice
for the next page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from console.http.proxied import is_https
from runtime.encryption import Sealer
from runtime.proxies import TrustedProxies
from schemas.errors import Unreadable

SESSION, VISITOR, NOTICE, DEVICE = "relay_session", "relay_visitor", "relay_notice", "relay_device"
PREFERENCES = {"language": "relay_language", "theme": "relay_theme", "zone": "relay_zone"}
_YEAR = 365 * 86400


class Cookies:
    """Sets cookies that no script can read and that requests from other sites do not carry. They are `Secure` if the
    browser uses https, to the console or to one of these proxies."""

    def __init__(self, proxies: TrustedProxies) -> None:
        self._proxies = proxies

    def put(self, request: Request, response: Response, name: str, value: str, *, seconds: int | None = None) -> None:
        """Set a cookie for so many seconds; without `seconds`, until the browser is closed."""
        secure = is_https(request, self._proxies)
        response.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")

    def remember(self, request: Request, response: Response, name: str, value: str) -> None:
        """Keep a reader's preference for a year."""
        self.put(request, response, PREFERENCES[name], value, seconds=_YEAR)

    def drop(self, request: Request, response: Response, name: str) -> None:
        """Delete a cookie."""
        secure = is_https(request, self._proxies)
        response.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="strict")


def pack_notice(sealer: Sealer, notice: str, values: Mapping[str, str], *, bad: bool) -> str:
    """A notice for the next page, sealed so that no other site can make one."""
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
