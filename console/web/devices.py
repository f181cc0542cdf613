"""Browsers that have signed in before: a sealed cookie distinguishes them from attackers who guess tokens.

A flood of guesses closes the sign-in page for unknown browsers, but operators must still get in. A known browser has a
limit of its own instead, so a stolen cookie is good for only a few guesses. (OWASP calls these device cookies.)
"""

from __future__ import annotations

import secrets

from console.web.sealed_rows import SealedRows
from runtime.encryption import Sealer

REMEMBERED = 90 * 86400
"""Seconds for which a browser stays known after it has signed in."""


class Devices:
    """Marks browsers, and recognises them."""

    def __init__(self, sealer: Sealer) -> None:
        self._rows = SealedRows(sealer, "console device")

    def mark(self, now: float) -> str:
        """The cookie of a browser that has signed in at `now` (UNIX seconds)."""
        return self._rows.seal({"name": secrets.token_urlsafe(16)}, now + REMEMBERED)

    def known(self, cookie: str | None, now: float) -> str | None:
        """The name of a browser with this cookie; None if it is missing, forged or expired."""
        row = self._rows.open(cookie, now)
        return None if row is None else str(row["name"])
