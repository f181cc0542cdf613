"""What a worker knows of breakers that others have closed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger import Ledger
from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from ledger.leases import Lease
from ledger.merchants import Merchant
from runtime.metrics import MOST_VALUES, OTHER
from schemas.endpoints.delivery import AttemptResult, Dead, Delivered, Disable, Hold, Retry, Verdict
from schemas.errors import IamportFailing, WrongCredentials
from schemas.payments.events import CallbackBody
from schemas.reasons import Reason
from tests.support.ledger_driver import REFRESH
from tests.support.redis_process import queue_url
from workers.metrics import OpenBreakers, WorkerMetrics

WHY = Reason.of("connection_reset")
ANSWER = AttemptResult(200, None, None, 12, "")


def claimed(**fields: Any) -> ClaimedDelivery:
    """A delivery at its first attempt."""
    lease = Lease(Lane("deliver", "ep_1"), "evt_1.ep_1", 1)
    usual = ClaimedDelivery(
        lease=lease, event="evt_1", type="payment.paid", imp_uid="imp_1", callback=CallbackBody(b"{}"), attempts=0,
        replay=False, in_flight=0, webhook_at=time.time(), traceparent="",
    )  # fmt: skip
    return replace(usual, **fields)


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
    metrics.breakers.open("shop")
    text = metrics.exposed.exposition().decode()
    for outcome in ("answered", "failing", "credentials"):
        assert f'relay_lookups_total{{outcome="{outcome}"}} 1.0' in text
    assert "relay_lookup_payments_sum 5.0" in text
    assert 'relay_iamport_breaker_open{merchant="shop"} 1.0' in text


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        (Delivered(), "delivered"), (Retry(5, WHY), "retry"), (Dead(WHY), "dead"), (Disable(WHY), "held"),
        (Hold(WHY), "held"),
    ],
)  # fmt: skip
def test_an_attempt_counts_as_what_becomes_of_its_delivery(verdict: Verdict, outcome: str) -> None:
    """One whose endpoint it disables is held."""
    metrics = WorkerMetrics()
    metrics.attempted(claimed(), ANSWER, verdict)
    assert f'relay_deliveries_total{{outcome="{outcome}"}} 1.0' in metrics.exposed.exposition().decode()


@pytest.mark.parametrize(
    ("fields", "count"),
    [({}, 1), ({"attempts": 1}, 0), ({"replay": True}, 0), ({"webhook_at": None}, 0)],
)
def test_only_first_attempts_are_measured_from_their_webhook(fields: dict[str, Any], count: int) -> None:
    """Not later ones, not those of a replay, and nothing to which no webhook led."""
    metrics = WorkerMetrics()
    metrics.attempted(claimed(**fields), ANSWER, Delivered())
    text = metrics.exposed.exposition().decode()
    assert f"relay_webhook_to_callback_seconds_count {count}.0" in text
    assert "relay_delivery_seconds_count 1.0" in text


async def test_a_merchant_that_fails_again_meanwhile_is_not_forgotten(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger was read before it failed again."""
    breakers = OpenBreakers()
    breakers.open("default")

    async def some(names: Sequence[str]) -> Sequence[Merchant]:
        breakers.open("default")
        return []

    monkeypatch.setattr(ledger.merchants, "some", some)
    await breakers.forget_answered(ledger.merchants)
    assert breakers.by_merchant() == {"default": 1}
