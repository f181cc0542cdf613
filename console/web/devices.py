"""Browsers that have signed in before: a sealed cookie tells them from those that guess tokens.

A flood of guesses closes the page for whoever is not known, and operators have to get in all the same. Such a browser
is limited by itself instead; a stolen cookie gives no more than its few guesses. (OWASP calls these device cookies.)
"""

from __future__ import annotations

import secrets

import orjson

from runtime.encryption import Sealer
from schemas.errors import Unreadable

REMEMBERED = 90 * 86400
"""Seconds for which a browser is known after it has signed in."""
_PURPOSE = "console device"


class Devices:
    """Marks browsers, and knows them again."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def mark(self, now: float) -> str:
        """The cookie of a browser that has signed in at `now` (UNIX seconds)."""
        row = {"purpose": _PURPOSE, "name": secrets.token_urlsafe(16), "ends_at": now + REMEMBERED}
        return self._sealer.seal(orjson.dumps(row).decode())

    def known(self, cookie: str | None, now: float) -> str | None:
        """The name of a browser with this cookie; None for one that has none, a forged one or one that has expired."""
        if not cookie:
            return None
        try:
            row = orjson.loads(self._sealer.open(cookie))
        except (Unreadable, ValueError):
            return None
        if not isinstance(row, dict) or row.get("purpose") != _PURPOSE or row["ends_at"] <= now:
            return None
        return str(row["name"])
