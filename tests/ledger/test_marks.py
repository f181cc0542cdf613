"""Why a payment is refreshed, and how: reported cancellations, silent marks, deadlines."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import Ledger
from tests.support.ledger_driver import REFRESH, THEN, Driver, paid
from tests.support.reasons import because


async def test_the_next_look_is_a_due_time(ledger: Ledger, driver: Driver) -> None:
    """A deadline makes the payment due then; a webhook before that makes it due now."""
    deadline = THEN + 7 * 86400
    account: dict[str, Any] = {
        "pay_method": "vbank",
        "status": "ready",
        "vbank_num": "1",
        "vbank_date": deadline,
        "paid_at": 0,
    }
    await driver.look(paid(**account))
    due = (await driver.due(REFRESH))["imp_1"] / 1000 - await ledger.now()
    assert due == pytest.approx(7 * 86400 + 500, abs=60)
    assert (await driver.lanes())["refresh/default"] == (await driver.due(REFRESH))["imp_1"]
    assert await driver.claim() == ()
    await driver.accept()
    await driver.commit(await driver.claim_one(), paid(**account))
    await driver.pass_time(8 * 86400)
    await driver.claim_one()


async def test_a_claimed_cancellation_that_comes_during_a_look_is_not_forgotten(driver: Driver) -> None:
    """What a verified webhook reports is for the refresh after it, however early the one under way ends."""
    await driver.accept(status="cancelled", cancellation_id="c_early")
    claimed = await driver.claim_one()
    assert claimed.reported_cancellations == ("c_early",)
    await driver.accept(status="cancelled", cancellation_id="c_late")
    await driver.commit(claimed, paid())
    await driver.pass_time(10)
    assert (await driver.claim_one()).reported_cancellations == ("c_early", "c_late")


async def test_a_rejected_payment_forgets_only_what_was_claimed_before(driver: Driver) -> None:
    """A webhook that comes during the last look-up of an unknown payment starts its schedule again."""
    early = await driver.accept(status="cancelled", cancellation_id="c_early")
    claimed = await driver.claim_one()
    late = await driver.accept(status="cancelled", cancellation_id="c_late")
    await driver.ledger.refresh_lane.postpone(claimed, "rejected", due_in=None, reason=because("unknown to i'mport"))
    assert (await driver.outcome(early), await driver.outcome(late)) == ("rejected", "pending")
    again = await driver.claim_one()
    assert (again.reported_cancellations, again.tries) == (("c_late",), 0)


async def test_unverified_webhooks_claim_nothing(driver: Driver) -> None:
    """Buyers know their imp_uid: a webhook from an unverified source only causes a refresh."""
    await driver.accept(status="cancelled", cancellation_id="c1", verified=False)
    assert (await driver.claim_one()).reported_cancellations == ()


async def test_notifications_wait_while_their_claim_is_open(driver: Driver) -> None:
    """A webhook about a cancellation that the first look-up does not show is answered by the second."""
    await driver.look(paid())
    one = await driver.accept(status="cancelled", cancellation_id="c1")
    await driver.commit(await driver.claim_one(), paid())
    assert await driver.outcome(one) == "pending"
    assert list(await driver.due(REFRESH)) == ["imp_1"]
    await driver.pass_time(10)
    await driver.commit(await driver.claim_one(), paid("imp_1", 1000))
    assert await driver.outcome(one) == "applied"


async def test_a_quiet_look_records_without_delivery(driver: Driver) -> None:
    """What a silent refresh finds is not delivered; what the next, ordinary one finds is."""
    lane = await driver.subscribe()
    await driver.mark_silently()
    claimed = await driver.claim_one()
    assert claimed.silent
    await driver.commit(claimed, paid())
    assert await driver.take(lane) == ()
    assert len(await driver.ids("evt")) == 1
    await driver.look(paid("imp_1", 100))
    assert (await driver.take_one(lane)).type == "payment.partially_cancelled"


async def test_a_webhook_makes_a_quiet_look_heard(driver: Driver) -> None:
    """A payment that somebody else asks about is not silent because a reconciliation asked first, or last."""
    lane = await driver.subscribe()
    for imp_uid, webhook_first in (("imp_1", True), ("imp_2", False)):
        if webhook_first:
            await driver.accept(imp_uid)
        await driver.mark_silently(imp_uid)
        if not webhook_first:
            await driver.accept(imp_uid)
        await driver.commit(await driver.claim_one(), paid(imp_uid))
        assert (await driver.take_one(lane)).imp_uid == imp_uid
    await driver.mark_silently("imp_3")
    await driver.ledger.refresh_lane.mark_dirty("default", "imp_3")
    await driver.commit(await driver.claim_one(), paid("imp_3"))
    assert (await driver.take_one(lane)).imp_uid == "imp_3"


async def test_a_quiet_mark_is_quiet_though_a_look_was_planned_for_later(driver: Driver) -> None:
    """A deadline in a week is no reason to deliver what a reconciliation by hand finds today."""
    lane = await driver.subscribe()
    await driver.plan("imp_1", 86400)
    await driver.mark_silently()
    await driver.commit(await driver.claim_one(), paid())
    assert await driver.take(lane) == ()


async def test_a_quiet_mark_does_not_silence_a_look_that_is_under_way_or_put_off(driver: Driver) -> None:
    """What somebody waits for is delivered, though i'mport failed at first and a reconciliation came meanwhile."""
    lane = await driver.subscribe()
    await driver.ledger.refresh_lane.mark_dirty("default", "imp_1")
    claimed = await driver.claim_one()
    await driver.mark_silently()
    await driver.ledger.refresh_lane.postpone(claimed, "stalled", due_in=60, tries=1)
    await driver.mark_silently()
    await driver.commit(await driver.claim_one(), paid())
    assert (await driver.take_one(lane)).type == "payment.paid"


async def test_a_quiet_look_that_somebody_asks_for_while_it_is_under_way_is_heard(driver: Driver) -> None:
    """An answer to our own cancel call comes during a reconciliation's refresh: what that finds is delivered."""
    lane = await driver.subscribe()
    await driver.mark_silently()
    claimed = await driver.claim_one()
    await driver.ledger.refresh_lane.mark_dirty("default", "imp_1")
    await driver.commit(claimed, paid())
    assert (await driver.take_one(lane)).type == "payment.paid"
