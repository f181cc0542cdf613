"""What happened in each of the last minutes: counts that the scripts keep for two days."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.cells import Cells
from ledger.scripting import Call, raised

_NAMES = ("accepted", "refused", "events", "delivered", "failed")


@dataclass(frozen=True, slots=True)
class Minute:
    """One minute, which began at `at` (UNIX seconds): webhooks accepted and refused, events recorded, attempts that
    delivered and that failed."""

    at: int
    accepted: int
    refused: int
    events: int
    delivered: int
    failed: int


async def minutes(cells: Cells, count: int) -> tuple[Minute, ...]:
    """The last `count` minutes, oldest first, including the current one. Raises `LedgerUnavailable`."""
    args = (count, len(_NAMES), *_NAMES)
    calls = [Call(store.prefix, "read_minutes", args) for store in (cells.shared, *cells)]
    found = raised(await cells.scripting.run(calls))
    last = max(answer[0] for answer in found)
    sums = [0] * (count * len(_NAMES))
    for its_last, *counts in found:
        # A cell that answered before the minute ended has no count yet for the minute that is now under way.
        skipped = (last - its_last) * len(_NAMES)
        sums = [total + more for total, more in zip(sums, (*counts[skipped:], *[0] * skipped), strict=True)]
    rows = zip(*(iter(sums),) * len(_NAMES), strict=True)
    return tuple(Minute((last - count + 1 + place) * 60, *row) for place, row in enumerate(rows))
