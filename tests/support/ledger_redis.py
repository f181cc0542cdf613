"""The Redis behind a ledger, for tests that read or damage what it holds."""

from __future__ import annotations

from typing import Any

from ledger import Ledger


def redis_of(ledger: Ledger) -> Any:
    """The client of the node that has the ledger, as far as is known; `Any`, because redis-py's types are too wide."""
    return ledger.store.redis
