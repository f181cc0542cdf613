"""Whether this Redis is durable: its settings of append-only file, fsync and eviction."""

from __future__ import annotations

from dataclasses import dataclass

import redis.exceptions as trouble

from ledger.cells import Cells
from ledger.store import Store
from schemas.errors import LedgerUnavailable
from schemas.reasons import Reason

_NEEDED = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


@dataclass(frozen=True, slots=True)
class Durability:
    """``weaknesses`` are the settings that make it less than durable."""

    durable: bool
    weaknesses: tuple[Reason, ...]


async def durability(cells: Cells) -> Durability:
    """Read the settings of all nodes that decide how durable Redis is. Raises `LedgerUnavailable`."""
    weak = [reason for store in await cells.servers() for reason in (await _durability(store)).weaknesses]
    return Durability(not weak, tuple(dict.fromkeys(weak)))


async def _durability(store: Store) -> Durability:
    try:
        # One by one: before 7.0 CONFIG GET takes a single name.
        settings = [await store.ask("CONFIG", "GET", name) for name in _NEEDED]
    except LedgerUnavailable as error:
        if isinstance(error.__cause__, trouble.ResponseError):
            return Durability(False, (Reason.of("settings_hidden"),))
        raise
    found = {_text(name): _text(value) for name, value in filter(None, settings)}
    weak = tuple(
        _weakness(name, found.get(name), needed) for name, needed in _NEEDED.items() if found.get(name) != needed
    )
    return Durability(not weak, weak)


def _weakness(setting: str, value: str | None, needed: str) -> Reason:
    if value is None:
        return Reason.of("setting_unknown", setting=setting, needed=needed)
    return Reason.of("setting_weak", setting=setting, value=value, needed=needed)


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
