"""Reconciliation by itself: what i'mport never announced is found, sent and counted."""

from __future__ import annotations

import asyncio
import time

import pytest

from schemas.times import rfc3339
from tests.support.relay import Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay(RELAY_RECONCILE_EVERY="1s")

DAY = 86400


def rounds(relay: Relay, merchant: str) -> int:
    """How often a merchant has been reconciled."""
    return len(relay.worker.logs("reconciled", merchant=merchant))


async def two_more_rounds(relay: Relay, merchant: str) -> None:
    """Wait until a merchant has been reconciled twice more."""
    before = rounds(relay, merchant)
    await relay.until(lambda: rounds(relay, merchant) >= before + 2, f"{merchant} is reconciled twice more")


async def test_a_lost_webhook_is_made_up_for(relay: Relay) -> None:
    """A payment whose webhook never came is found within a run and sent like any other."""
    heard = await relay.subscribe()

    (imp_uid,) = await relay.play("lost-webhook", imp_key="key")

    (event,) = await relay.until_recorded(imp_uid, "paid")
    assert event["silent"] is False
    await relay.until(lambda: heard.types(imp_uid) == ["paid"], "it is heard")


async def test_lost_webhooks_are_counted_once(relay: Relay) -> None:
    """After five minutes without a webhook it counts as lost, once; one that came in time counts as come."""
    await relay.merchant("counted")
    lost, came = await relay.ledger.reconciliations.webhook_losses()
    at = int(time.time()) - 400
    await relay.payment_at_iamport(imp_uid="imp_lost", imp_key="key-counted", status="paid", paid_at=at)
    await relay.until_recorded("imp_lost", "paid", merchant="counted")
    await relay.play("card", merchant="counted", imp_key="key-counted")

    async def counted() -> bool:
        return await relay.ledger.reconciliations.webhook_losses() == (lost + 1, came + 1)

    await relay.until(counted, "both are counted")
    await two_more_rounds(relay, "counted")  # they may not be counted again
    assert await counted()
    rate = (await relay.api.get("/v1/stats")).json()["webhook_loss_rate"]
    assert rate == round((lost + 1) / (lost + came + 2), 6)


async def test_a_webhook_that_came_while_i_mport_failed_is_not_lost(relay: Relay) -> None:
    """If the refresh was what failed, the webhook was not lost, however late a reconciliation finds the payment."""
    await relay.merchant("unlucky")
    before = await relay.ledger.reconciliations.webhook_losses()
    at, imp_uid = int(time.time()) - 400, "imp_unlucky"
    await relay.faults(status=500, paths=["/payments"], times=None)
    await relay.payment_at_iamport(imp_uid=imp_uid, imp_key="key-unlucky", status="paid", paid_at=at)
    await relay.webhook(imp_uid, path="/webhooks/unlucky")
    await relay.until(lambda: relay.trouble("unlucky"), "the trouble is seen")

    await relay.faults()

    await relay.until_recorded(imp_uid, "paid", merchant="unlucky")
    await two_more_rounds(relay, "unlucky")  # it may not be counted as lost
    assert (await relay.ledger.reconciliations.webhook_losses())[0] == before[0]


async def test_adopting_a_shop_sends_no_history(relay: Relay) -> None:
    """Payments from before the merchant's `since` are recorded silently and are no losses; later ones are sent."""
    old, older, new = "imp_old1", "imp_old2", "imp_new"
    now, lost = int(time.time()), (await relay.ledger.reconciliations.webhook_losses())[0]
    for imp_uid, at in ((old, now - 10 * DAY), (older, now - 20 * DAY), (new, now)):
        await relay.payment_at_iamport(
            imp_uid=imp_uid, imp_key="key-adopting", status="paid", started_at=at, paid_at=at, amount=1004
        )

    await relay.merchant("adopting")
    heard = await relay.subscribe("adopting")

    for imp_uid in (old, older):
        (event,) = await relay.until_recorded(imp_uid, "paid", merchant="adopting")
        assert event["silent"] is True
    await relay.until_recorded(new, "paid", merchant="adopting")
    await relay.until(heard.types, "the new one is heard")
    await relay.until_idle("adopting")
    assert {event["data"]["imp_uid"] for event in heard.events} == {new}
    assert (await relay.ledger.reconciliations.webhook_losses())[0] == lost


async def test_a_silent_run_goes_first(relay: Relay) -> None:
    """What an operator wants recorded silently is not sent by the automatic run that is due before it."""
    await relay.merchant("silent")
    heard = await relay.subscribe("silent")
    await relay.until(lambda: rounds(relay, "silent"), "it is reconciled by itself")
    await relay.worker.terminate()
    imp_uids = [f"imp_silent{number}" for number in range(3)]
    for imp_uid in imp_uids:
        now = int(time.time())
        await relay.payment_at_iamport(imp_uid=imp_uid, imp_key="key-silent", status="paid", paid_at=now)
    await asyncio.sleep(1.5)  # a second that is over may be compared
    window = {"since": rfc3339(time.time() - 100 * DAY), "until": rfc3339(time.time() + 60)}
    assert (await relay.api.post("/v1/reconciliations", json={"merchant": "silent", **window})).status_code == 202

    relay.worker = relay.start_worker()

    for imp_uid in imp_uids:
        (event,) = await relay.until_recorded(imp_uid, "paid", merchant="silent")
        assert event["silent"] is True
    assert heard.events == []
