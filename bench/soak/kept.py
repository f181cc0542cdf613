"""Whether everything that was acknowledged is there, and whether traces are whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from bench.soak.load import Load
from bench.soak.stage import Stage

SPANS = ("webhook", "accept", "attempt")
"""What the trace of each webhook has; look-up and commit are spans of a batch, which belong to one of its traces."""
_COUNTS = {
    "notifications": "SELECT count(*) FROM notifications",
    "payments": "SELECT count(*) FROM payments",
    "events": "SELECT count(*) FROM events WHERE imp_uid <> ''",
    "delivered": "SELECT count(*) FROM deliveries WHERE state = 'delivered'",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """How many webhooks were sent, each about a payment of its own, and refused; how many payments' callbacks came,
    came again, or did not; what history has; and how many webhooks were traced, and how many of these traces lack
    something."""

    sent: int
    refused: int
    arrived: int
    repeated: int
    missing: int
    history: Mapping[str, int]
    traced: int
    traces_incomplete: int


async def kept(stage: Stage, load: Load) -> Kept:
    """Count it, when all that was sent has had its time."""
    sent, came = load.imp_uids, {name.partition(" ")[2] for name in stage.arrivals.at}
    spans = defaultdict[str, set[str]](set)
    for span in stage.collector.spans:
        spans[span.trace].add(span.name)
    webhooks = [names for names in spans.values() if "webhook" in names]
    async with await psycopg.AsyncConnection.connect(stage.history_url) as connection:
        history = {}
        for name, statement in _COUNTS.items():
            row = await (await connection.execute(statement.encode())).fetchone()
            history[name] = int(row[0]) if row else 0
    return Kept(
        sent=len(sent),
        refused=load.refused,
        arrived=len(came & sent),
        repeated=stage.arrivals.repeated,
        missing=len(sent - came),
        history=history,
        traced=len(webhooks),
        traces_incomplete=sum(not names.issuperset(SPANS) for names in webhooks),
    )
