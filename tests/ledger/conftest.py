"""What the ledger's tests share: a ledger on an empty, durable Redis; what a test leaves behind is checked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ledger import Ledger
from tests.ledger.driving import Driver, queue_url
from tests.ledger.invariants import problems


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    """An empty ledger; what it leaves behind must be in order."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    yield ledger
    assert await problems(ledger) == []
    await ledger.close()


@pytest.fixture
def driver(ledger: Ledger) -> Driver:
    """Short ways of doing to that ledger what receivers and workers do."""
    return Driver(ledger)
