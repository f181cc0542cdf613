"""Payments of test channels: for a merchant without `include_sandbox` they do not exist, whatever i'mport shows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from ledger.reconciliations import Reconciliation
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Policy, record_request
from tests.support import stored_payments
from tests.support.iamport_stub import no, payment, well
from tests.support.ledger_driver import REFRESH, UNKNOWN
from tests.support.ledger_invariants import problems
from tests.workers.merchant_workers import MerchantWorkers, running_merchant


@pytest.fixture
async def shop(redis_url: str) -> AsyncIterator[MerchantWorkers]:
    """A merchant that does not include test payments."""
    async with running_merchant(redis_url) as shop:
        yield shop
        assert await problems(shop.ledger) == []


async def test_a_webhook_for_a_test_payment_is_rejected(shop: MerchantWorkers) -> None:
    """The batch shows it, marked as one: no event, no record, one look-up, and a reason that says what to do."""
    await shop.pay("imp_test", sandbox=True)
    await shop.pay("imp_live")
    await shop.driver.accept("imp_test")
    await shop.driver.accept("imp_live")

    await shop.look()

    assert (await shop.events("imp_test"), await shop.events("imp_live")) == ([], [("paid", False)])
    ((outcome, reason),) = await shop.reason("imp_test")
    assert outcome == "rejected"
    assert "test channel" in (reason or "")
    assert "include_sandbox" in (reason or "")
    assert "default/imp_test" not in await stored_payments.records(shop.driver.redis)
    assert (await shop.driver.due(REFRESH), await shop.driver.due(UNKNOWN)) == ({}, {})
    assert len(shop.stub.calls) == 1


async def test_a_reconciliation_passes_over_test_payments(shop: MerchantWorkers) -> None:
    """They are not compared, not missing, not looked at and not lost, however often the list shows them."""
    await shop.pay("imp_test", sandbox=True, ago=900)
    for _ in range(2):
        run = await shop.reconcile()
        assert (run.compared, run.missing, run.repaired) == (0, 0, 0)
    assert await shop.events("imp_test") == []
    assert await shop.ledger.reconciliations.webhook_losses() == (0, 0)
    assert [asked.path for asked in shop.stub.calls] == ["/payments/status/all"] * 2


async def test_what_is_expected_is_not_asked_for(shop: MerchantWorkers) -> None:
    """A test payment is no reason to ask what was registered beforehand, nor a mismatch with what was told."""
    await shop.put(check_prepared=True)
    await shop.pay("imp_test", sandbox=True)
    await shop.driver.accept("imp_test")
    await shop.look()
    assert [asked.path for asked in shop.stub.calls] == ["/payments"]
    assert await shop.events("imp_test") == []


async def test_switched_on_later_they_are_found_silently(shop: MerchantWorkers) -> None:
    """What happened at test channels before is recorded by the next run, which goes all the way back, and not sent."""
    await shop.pay("imp_test", sandbox=True, ago=2)
    await shop.pay("imp_old", sandbox=True, ago=20 * 86400)
    await shop.driver.accept("imp_test")
    await shop.look()
    await shop.reconcile()

    await shop.put(include_sandbox=True)
    run = await shop.reconcile()

    assert (run.compared, run.missing) == (2, 2)
    assert (await shop.events("imp_test"), await shop.events("imp_old")) == ([("paid", True)], [("paid", True)])
    assert await shop.ledger.reconciliations.webhook_losses() == (0, 0)
    await shop.pay("imp_next", sandbox=True)
    await shop.driver.accept("imp_next")
    await shop.look()
    assert await shop.events("imp_next") == [("paid", False)]


async def test_of_the_second_in_which_it_was_switched_on(shop: MerchantWorkers) -> None:
    """i'mport's times are whole seconds: what a run finds of that second is older, what a webhook tells is newer."""
    await shop.put(include_sandbox=True)
    switched = (await shop.ledger.merchants.get("default")).sandbox_since
    for imp_uid in ("imp_before", "imp_after"):
        shop.shown[imp_uid] = payment(imp_uid, paid_at=int(switched), sandbox=True)
    await shop.driver.accept("imp_after")
    await shop.look()
    await shop.reconcile()
    assert (await shop.events("imp_before"), await shop.events("imp_after")) == ([("paid", True)], [("paid", False)])


async def test_a_new_merchant_that_includes_them_hears_of_them(shop: MerchantWorkers) -> None:
    """Where the flag was on from the start, the merchant's `since` decides, as for any other payment."""
    await shop.ledger.merchants.delete("default")
    await shop.put(include_sandbox=True)
    await shop.pay("imp_test", sandbox=True, ago=600)
    await shop.reconcile()
    assert await shop.events("imp_test") == [("paid", False)]


async def test_switched_off_what_is_known_gets_no_new_facts(shop: MerchantWorkers) -> None:
    """What was recorded stays; what happens from then on is not announced, by webhook or reconciliation."""
    await shop.ledger.merchants.delete("default")
    await shop.put(include_sandbox=True)
    await shop.pay("imp_test", sandbox=True, ago=60)
    await shop.driver.accept("imp_test")
    await shop.look()
    await shop.put()
    shop.shown["imp_test"] |= {
        "status": "cancelled",
        "cancel_amount": 1000,
        "cancelled_at": shop.shown["imp_test"]["paid_at"],
    }

    await shop.driver.accept("imp_test")
    await shop.look()
    run = await shop.reconcile()

    assert (run.compared, run.missing) == (0, 0)
    assert await shop.events("imp_test") == [("paid", False)]
    assert [outcome for outcome, _ in await shop.reason("imp_test")] == ["applied", "rejected"]
    assert await shop.driver.due(REFRESH) == {}
    shop.shown.clear()
    await shop.driver.accept("imp_test")
    await shop.look()
    assert (await shop.reason("imp_test"))[-1][0] == "rejected"
    assert await shop.driver.due(REFRESH) == {}


async def test_what_the_batch_leaves_out_is_asked_for_singly(shop: MerchantWorkers) -> None:
    """With the flag, an i'mport whose batch hides test payments is asked for each before it counts as unknown."""
    await shop.put(include_sandbox=True)
    await shop.pay("imp_test", sandbox=True)
    await shop.driver.accept("imp_test")
    shop.stub.reply = lambda asked: (
        well(shop.shown["imp_test"])
        if asked.path == "/payments/imp_test" and ("include_sandbox", "true") in asked.query
        else no(404)
    )
    await shop.look()
    assert await shop.events("imp_test") == [("paid", False)]


async def test_by_hand_they_are_passed_over_too(shop: MerchantWorkers) -> None:
    """An operator's run ends at once: nothing is left that waits for a refresh."""
    await shop.pay("imp_test", sandbox=True, ago=60)
    now = int(await shop.ledger.now())
    run = Reconciliation("rec_1", "default", now - 3600, now + 1, deliver=True, window=(now - 3600, now, 1))
    await shop.ledger.reconciliations.save(replace(run, created_at=now))
    run = await shop.reconcile("rec_1")
    assert (run.state, run.compared, run.missing, run.repaired) == ("done", 0, 0, 0)
    assert await shop.events("imp_test") == []


async def test_a_pending_cancellation_is_followed_up_when_the_flag_comes_back(shop: MerchantWorkers) -> None:
    """While the flag is off the payment is not refreshed; the full run after that asks for a refresh."""
    await shop.ledger.merchants.delete("default")
    await shop.put(include_sandbox=True)
    await shop.pay("imp_test", sandbox=True, ago=60)
    await shop.driver.accept("imp_test")
    await shop.look()
    await shop.reconcile()
    now = int(await shop.ledger.now())
    request = CancellationRequest("can_1", None, "open", "api", requested_at=now)
    await shop.ledger.refresh_lane.amend(
        "default", "imp_test", lambda record: record_request(record, request, now, Policy())
    )
    await shop.put()
    await shop.driver.pass_time(120)
    await shop.look()
    assert await shop.driver.due(REFRESH) == {}

    await shop.put(include_sandbox=True)
    run = await shop.reconcile()

    assert (run.missing, list(await shop.driver.due(REFRESH))) == (0, ["imp_test"])
