"""Numbers and names that Python and the scripts share: `ledger.lua` writes them before every script."""

from __future__ import annotations

import json

DEFAULT_MERCHANT = "default"
"""The merchant that takes webhooks before it is added, because its credentials may be in the environment only."""

SWEEP_EVERY = 0.25
"""Seconds between two sweeps while a lane is due; they kick those whose kick was lost. One worker sweeps at a time."""

SWEEP_REST = 3.0
"""Seconds for which the sweep rests at most while no lane is due: what a lost wake-up costs."""

SWEEP_AGAIN = 60.0
"""Seconds after which a cell is swept again in which no lane is due."""

UNRENEWED_FOR = 4.5
"""Seconds in which no worker has renewed a lease in a cell, after which Redis counts as having been away: half as long
again as workers take from one renewal to the next. Leases may have ended only because none could be renewed."""

RENEW_WITHIN = 3.0
"""Seconds from the first renewal after that in which all workers must have renewed theirs, before ended ones are taken
up: a try that times out, the next one, and as much again."""

RECEIVER_SILENT_AFTER = 60
"""Seconds without a report of its spool after which a receiver no longer counts."""

NEARLY_FULL = 0.95
"""The share of Redis' `maxmemory` from which on nothing new is claimed."""

_IN_LUA: dict[str, str | int | float] = {
    "DEFAULT_MERCHANT": DEFAULT_MERCHANT,
    "SWEEP_MS": round(SWEEP_EVERY * 1000),
    "SWEEP_REST_MS": round(SWEEP_REST * 1000),
    "SWEEP_AGAIN_MS": round(SWEEP_AGAIN * 1000),
    "UNRENEWED_MS": round(UNRENEWED_FOR * 1000),
    "RENEW_WITHIN_MS": round(RENEW_WITHIN * 1000),
    "RECEIVER_SILENT_MS": RECEIVER_SILENT_AFTER * 1000,
    "NEARLY_FULL": NEARLY_FULL,
}


def lua_constants() -> str:
    """These constants as Lua's locals, a line each."""
    return "".join(f"local {name} = {json.dumps(value)}\n" for name, value in _IN_LUA.items())
