"""One payment's story, put together from what the operator API says of it: oldest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from console.web.levels import Level, level
from schemas.times import unix

Row = Mapping[str, Any]
Kind = Literal["claimed", "found", "asked", "closed", "looked"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened `at` (UNIX seconds): a webhook claimed something, a look found something, somebody asked
    for a cancellation, it was closed, a look found nothing new. `row` is the API's row behind it; an event has its
    `deliveries`."""

    at: float
    kind: Kind
    level: Level
    row: Row
    deliveries: Sequence[Row] = field(default=())


def story(
    payment: Row | None,
    notifications: Sequence[Row],
    events: Sequence[Row],
    deliveries: Mapping[str, Sequence[Row]],
) -> list[Entry]:
    """Everything that is known to have happened to a payment. `deliveries` are those of each event, by its id."""
    entries = [
        Entry(unix(row["received_at"]), "claimed", level("outcome", row["outcome"]), row) for row in notifications
    ]
    entries += [
        Entry(unix(row["recorded_at"]), "found", level("event", row["type"]), row, deliveries.get(row["id"], ()))
        for row in events
    ]
    if payment is not None:
        for row in payment["cancellations"]:
            if row["requested_at"]:
                entries.append(Entry(unix(row["requested_at"]), "asked", "wait", row))
            if row["closed_at"]:
                entries.append(Entry(unix(row["closed_at"]), "closed", level("cancellation", row["state"]), row))
        entries += _last_look(payment, events)
    order = {"claimed": 0, "asked": 1, "found": 2, "closed": 3, "looked": 4}

    def place(entry: Entry) -> tuple[float, int, int]:
        return entry.at, order[entry.kind], entry.row.get("data", {}).get("sequence", 0)

    return sorted(entries, key=place)


def _last_look(payment: Row, events: Sequence[Row]) -> list[Entry]:
    """The last look, where it came after everything that looks have found."""
    if not payment["fetched_at"]:
        return []
    at = unix(payment["fetched_at"])
    latest = max((unix(row["recorded_at"]) for row in events), default=0.0)
    return [Entry(at, "looked", "off", payment)] if at > latest + 1 else []


def undelivered(deliveries: Mapping[str, Sequence[Row]]) -> list[Row]:
    """The deliveries that have not arrived and could: dead ones first, then held, then those that wait."""
    order = {"dead": 0, "held": 1, "pending": 2}
    rows = [row for some in deliveries.values() for row in some if row["state"] in order]
    return sorted(rows, key=lambda row: (order[row["state"]], row["created_at"]))
