"""A replay of 10,000 events whose worker is killed in the middle."""

from __future__ import annotations

import pytest

from tests.support.relay import Relay
from tests.support.replaying import survive


@pytest.mark.chaos
async def test_ten_thousand_events_survive(relay: Relay) -> None:
    """Every one of 10,000 events arrives and every number is right, though the worker was killed in the middle."""
    await survive(relay, 10_000, rate=2000)
