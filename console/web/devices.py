"""Browsers that have signed in before: a sealed cookie tells them from those that guess tokens.

A flood of guesses closes the page for whoever is not known, and operators have to get in all the same. Such a browser
is limited by itself instead; a stolen cookie gives no more than its few guesses. (OWASP calls these device cookies.)
"""

from __future__ import annotations

import secrets

from console.web.sealed_rows import SealedRows
from runtime.encryption import Sealer

REMEMBERED = 90 * 86400
"""Seconds for which a browser is known after it has signed in."""


class Devices:
    """Marks browsers, and knows them again."""

    def __init__(self, sealer: Sealer) -> None:
        self._rows = SealedRows(sealer, "console device")

    def mark(self, now: float) -> str:
        """The cookie of a browser that has signed in at `now` (UNIX seconds)."""
        return self._rows.seal({"name": secrets.token_urlsafe(16)}, now + REMEMBERED)

    def known(self, cookie: str | None, now: float) -> str | None:
        """The name of a browser with this cookie; None for one that has none, a forged one or one that has expired."""
        row = self._rows.open(cookie, now)
        return None if row is None else str(row["name"])
