"""A replay of 10,000 events whose worker is killed in the middle."""

from __future__ import annotations

import pytest

from tests.support.replaying import survive
from tests.support.stack import Stack


@pytest.mark.chaos
async def test_ten_thousand_events_survive(stack: Stack) -> None:
    """Every one of 10,000 events arrives and every number is right, though the worker was killed in the middle."""
    await survive(stack, 10_000, rate=2000)
