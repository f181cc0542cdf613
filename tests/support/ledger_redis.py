"""The Redis behind a ledger and the full names of its keys, for tests that read or damage what it holds.

Ledgers of tests have one cell unless they say otherwise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ledger import Ledger
from ledger.keys import IN_SHARED, SHARED_PREFIX, Lane, cell_of, cell_prefix
from ledger.queue import ACTORS

CELLS = 16
"""How many cells processes have that are not given a number."""
_IN_BOTH = ("name", "open", "minute", "probe")


def key(*parts: str, cells: int = 1, merchant: str = "default") -> str:
    """The full name of a key: ``key("pay", "default/imp_1")``; that of the cell where a cell has such a key."""
    if parts[0].split(":")[0] in IN_SHARED and parts[0] not in _IN_BOTH:
        return shared_key(*parts)
    return cell_prefix(cell_of(merchant, cells)) + ":".join(parts)


def shared_key(*parts: str) -> str:
    """The full name of a key that all cells share."""
    return SHARED_PREFIX + ":".join(parts)


def without_prefix(name: str) -> str:
    """The name of a key within its cell."""
    return name.partition(":")[2] if name.startswith(SHARED_PREFIX) else name.partition("}:")[2]


def in_all_cells(*parts: str) -> str:
    """A pattern of the full names of a key, in whatever cell it is: ``in_all_cells("pay", "*")``."""
    return f"{{relay:*}}:{':'.join(parts)}"


async def swept(ledger: Ledger, owner: str = "me", sweep: Callable[[str], Awaitable[None]] | None = None) -> list[Lane]:
    """Sweep, as the ledger does unless a `sweep` is given; return the lanes that this kicks."""
    kicked: list[Lane] = []

    def see(lane: str) -> bool:
        kicked.append(Lane.parse(lane))
        return False

    offered = dict(ledger.queue._here)
    for actor in set(ACTORS.values()):
        ledger.offer_kicks(actor, see)
    try:
        await (sweep or ledger.sweep)(owner)
    finally:
        ledger.queue._here = offered
    return kicked


async def kicks_sent(ledger: Ledger, queue: str) -> int:
    """How many kicks wait in a queue, once all that this ledger sends are there."""
    await asyncio.gather(*ledger.queue._sending)
    return int(await asyncio.to_thread(ledger.queue.broker.client.llen, f"relay:{queue}"))


def redis_of(ledger: Ledger) -> Any:
    """The client of the servers that have the ledger; `Any`, because redis-py's types are too wide."""
    return ledger.cells.scripting.servers.client


def cells_of(ledger: Ledger) -> int:
    """How many cells a ledger has."""
    return len(ledger.cells)
