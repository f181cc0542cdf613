"""Sealed rows, which a browser keeps for the console but can neither read nor change. Each has a purpose and an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from runtime.encryption import Sealer
from schemas.errors import Unreadable


class SealedRows:
    """Seals and opens the rows of one purpose. A row of another purpose does not open."""

    def __init__(self, sealer: Sealer, purpose: str) -> None:
        self._sealer = sealer
        self._purpose = purpose

    def seal(self, row: Mapping[str, Any], ends_at: float) -> str:
        """The cookie of a row that ends at this time (UNIX seconds)."""
        return self._sealer.seal(orjson.dumps({"purpose": self._purpose, **row, "ends_at": ends_at}).decode())

    def open(self, cookie: str | None, now: float) -> Mapping[str, Any] | None:
        """The row in a cookie, with its `ends_at`; None if the cookie is missing, forged or has ended."""
        if not cookie:
            return None
        try:
            row = orjson.loads(self._sealer.open(cookie))
        except (Unreadable, ValueError):
            return None
        if not isinstance(row, dict) or row.get("purpose") != self._purpose or row["ends_at"] <= now:
            return None
        return row
