"""How safe this Redis keeps data: its settings of append-only file, fsync and eviction."""

from __future__ import annotations

from dataclasses import dataclass

import redis.exceptions as trouble

from ledger.store import Store
from schemas.errors import LedgerUnavailable

_NEEDED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


@dataclass(frozen=True, slots=True)
class Durability:
    """``reasons`` say in words what makes it less than durable."""

    durable: bool
    reasons: tuple[str, ...]


async def durability(store: Store) -> Durability:
    """Ask Redis how it keeps what it is given. Raises `LedgerUnavailable`."""
    try:
        # One by one: before 7.0 CONFIG GET takes a single name.
        settings = [await store.ask("CONFIG", "GET", name) for name in _NEEDED]
    except LedgerUnavailable as error:
        if isinstance(error.__cause__, trouble.ResponseError):
            return Durability(False, ("CONFIG GET is not allowed here, so nobody can tell how it keeps data",))
        raise
    found = {_text(name): _text(value) for name, value in filter(None, settings)}
    reasons = [
        f"{name} is {found.get(name, 'unknown')}, not {needed}"
        for name, needed in _NEEDED.items()
        if found.get(name) != needed
    ]
    return Durability(not reasons, tuple(reasons))


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
