"""What a worker knows of breakers that others have closed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ledger import Ledger
from runtime.metrics import MOST_VALUES, OTHER
from schemas.errors import IamportFailing, WrongCredentials
from schemas.reasons import Reason
from tests.support.ledger_driver import REFRESH
from tests.support.redis_process import queue_url
from workers.metrics import OpenBreakers, WorkerMetrics


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    """An empty ledger."""
    ledger = Ledger.connect(redis_url, queue_url(redis_url))
    yield ledger
    await ledger.close()


async def test_a_breaker_that_another_process_closed_is_forgotten(ledger: Ledger) -> None:
    """The ledger knows what i'mport answered last, whoever had asked."""
    await ledger.merchants.ensure("default")
    breakers = OpenBreakers()
    breakers.open("default")
    await ledger.refresh_lane.pause(REFRESH, 60, Reason.of("iamport_no_token"))
    await breakers.forget_answered(ledger.merchants)
    assert breakers.by_merchant() == {"default": 1}
    await ledger.refresh_lane.resume(REFRESH)
    await breakers.forget_answered(ledger.merchants)
    assert breakers.by_merchant() == {}


async def test_the_breaker_of_a_deleted_merchant_is_forgotten(ledger: Ledger) -> None:
    """There is nothing left to call i'mport for."""
    breakers = OpenBreakers()
    breakers.open("gone")
    await breakers.forget_answered(ledger.merchants)
    assert breakers.by_merchant() == {}


def test_very_many_breakers_are_some_and_the_rest() -> None:
    """A label has a few hundred values at most."""
    breakers = OpenBreakers()
    for number in range(MOST_VALUES + 5):
        breakers.open(f"shop-{number}")
    assert len(breakers.by_merchant()) == MOST_VALUES + 1
    assert breakers.by_merchant()[OTHER] == 1


def test_a_look_up_ends_in_one_of_three_ways() -> None:
    """Wrong credentials are not a failing i'mport: somebody has to correct them."""
    metrics, reason = WorkerMetrics(), Reason.of("iamport_no_token")
    metrics.looked_up("shop", 3, 0.1)
    metrics.looked_up("shop", 1, 0.1, IamportFailing(reason))
    metrics.looked_up("shop", 1, 0.1, WrongCredentials(reason))
    text = metrics.exposed.exposition().decode()
    for outcome in ("answered", "failing", "credentials"):
        assert f'relay_lookups_total{{outcome="{outcome}"}} 1.0' in text
    assert "relay_lookup_payments_sum 5.0" in text
    assert 'relay_iamport_breaker_open{merchant="shop"} 1.0' in text
