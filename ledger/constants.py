"""Numbers and names that Python and the scripts share: `ledger.lua` writes them before every script."""

from __future__ import annotations

import json

from schemas.outbox import codec
from schemas.webhook_address import DEFAULT_MERCHANT

AUTO = "auto/"
"""What the id of a reconciliation that repeats by itself begins with; its merchant follows."""

SWEEP_EVERY = 0.25
"""Seconds between two sweeps while a lane is due: they kick lanes whose kick was lost. One worker sweeps at a time."""

SWEEP_REST = 3.0
"""The longest rest of the sweep in seconds, while no lane is due: a lost wake-up costs no more than that."""

SWEEP_AGAIN = 60.0
"""Seconds after which a cell is swept again even though no lane in it is due."""

TURN = 0.05
"""Seconds for which a worker that refreshes a few payments of a lane is alone with it. What becomes due meanwhile is
its next batch; after that time others are kicked."""

MOST_OF_TURN = 16
"""With more payments than that to refresh, a worker is not alone with a lane."""

UNRENEWED_FOR = 4.5
"""If no worker has renewed leases in a cell for so many seconds, Redis counts as having been away, and leases may have
ended only because none could be renewed. It is one and a half times the time between two renewals."""

RENEW_WITHIN = 3.0
"""Once a worker has renewed after that, all workers have so many seconds to renew their leases, before claims take up
those that ended: enough for a try that times out, the next try, and as much again."""

RECEIVER_SILENT_AFTER = 60
"""Seconds without a report of its spool after which a receiver no longer counts."""

NEARLY_FULL = 0.95
"""From this share of Redis' `maxmemory` on, nothing new is claimed."""

_IN_LUA: dict[str, str | int | float] = {
    "DEFAULT_MERCHANT": DEFAULT_MERCHANT,
    "AUTO": AUTO,
    "ENTRY_VERSION": codec.VERSION,
    "SWEEP_MS": round(SWEEP_EVERY * 1000),
    "SWEEP_REST_MS": round(SWEEP_REST * 1000),
    "SWEEP_AGAIN_MS": round(SWEEP_AGAIN * 1000),
    "TURN_MS": round(TURN * 1000),
    "MOST_OF_TURN": MOST_OF_TURN,
    "UNRENEWED_MS": round(UNRENEWED_FOR * 1000),
    "RENEW_WITHIN_MS": round(RENEW_WITHIN * 1000),
    "RECEIVER_SILENT_MS": RECEIVER_SILENT_AFTER * 1000,
    "NEARLY_FULL": NEARLY_FULL,
}


def lua_constants() -> str:
    """These constants as Lua's locals, a line each."""
    return "".join(f"local {name} = {json.dumps(value)}\n" for name, value in _IN_LUA.items())
