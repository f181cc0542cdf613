"""The Redis behind a ledger and the full names of its keys, for tests that read or damage what it holds."""

from __future__ import annotations

from typing import Any

from ledger import Ledger
from ledger.keys import PREFIX


def key(*parts: str) -> str:
    """The full name of a key: ``key("pay", "default/imp_1")``."""
    return PREFIX + ":".join(parts)


def redis_of(ledger: Ledger) -> Any:
    """The client of the node that has the ledger, as far as is known; `Any`, because redis-py's types are too wide."""
    return ledger.store.redis
