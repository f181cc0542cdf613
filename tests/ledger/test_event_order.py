"""The order of events in lists."""

from __future__ import annotations

from ledger import Ledger
from ledger.pages import PageRequest
from tests.support.ledger_driver import Driver, paid


async def test_events_of_one_look_are_listed_in_their_order(ledger: Ledger, driver: Driver) -> None:
    """Events of one refresh are listed newest first by sequence, although all were recorded in one millisecond."""
    for number in range(8):
        await driver.accept(f"imp_{number}")
        await driver.look(paid(f"imp_{number}", 100, 200, 300))

    page = await ledger.events.list(PageRequest(limit=200))

    for number in range(8):
        told = [event.sequence for event in page.rows if event.imp_uid == f"imp_{number}"]
        assert told == [4, 3, 2, 1]
