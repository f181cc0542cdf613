"""The counts of the last minutes."""

from __future__ import annotations

from itertools import pairwise

from ledger.ledger import Ledger
from ledger.minute_counts import minutes
from tests.support.machine import notify


async def test_minutes_are_counted(ledger: Ledger) -> None:
    """Oldest first, a minute apart, the last one under way; what happened is in it."""
    assert [minute.accepted for minute in await minutes(ledger.cells, 3)] == [0, 0, 0]
    await notify(ledger, "imp_1")
    await notify(ledger, "imp_2")
    rows = await minutes(ledger.cells, 60)
    assert [later.at - earlier.at for earlier, later in pairwise(rows)] == [60] * 59
    assert sum(minute.accepted for minute in rows[-2:]) == 2
    assert abs(rows[-1].at - await ledger.now()) < 120
