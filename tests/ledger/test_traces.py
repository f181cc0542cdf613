"""What the ledger keeps of a trace: the span that stored a notification, and the one that recorded an event."""

from __future__ import annotations

from ledger.refresh_lane import ClaimedPayment, Outcome
from schemas.payments.decide import Change
from tests.support.ledger_driver import THEN, Driver, paid
from tests.support.ledger_redis import key
from tests.support.traces import traceparent

STORED, WRITTEN = traceparent(1), traceparent(2)


async def test_a_notifications_span_comes_with_the_claim(driver: Driver) -> None:
    """The oldest one that is traced is continued, and at the next look-up again while it waits; what was accepted reads
    as ever."""
    plain = await driver.accept()
    traced = await driver.accept(traceparent=STORED)
    await driver.accept(traceparent=WRITTEN)
    claimed = await driver.claim_one()
    assert claimed.traceparent == STORED
    assert [plain.id, traced.id] == [one.id for one in claimed.waiting][:2]
    await driver.ledger.refresh_lane.postpone(claimed, "stalled", due_in=0, tries=1)
    assert (await driver.claim_one()).traceparent == STORED
    shown = await driver.ledger.notifications.of_payment("default", "imp_1", 10)
    assert {one.id for one in shown} == {one.id for one in claimed.waiting}


async def test_an_events_span_comes_with_each_of_its_deliveries(driver: Driver) -> None:
    """Each attempt continues the commit, however often it is tried."""
    lane = await driver.subscribe()
    await driver.accept(traceparent=STORED)
    claimed = await driver.claim_one()
    assert await _commit(driver, driver.decide(claimed, paid()), claimed, WRITTEN) == "ok"
    for _ in range(2):
        delivery = await driver.take_one(lane)
        assert delivery.traceparent == WRITTEN
        await driver.fail(delivery, again_in=0)


async def test_nothing_is_stored_of_what_is_not_traced(driver: Driver) -> None:
    """Neither with the notification nor with the event: only what is sampled takes memory."""
    await driver.subscribe()
    await driver.accept("imp_plain")
    await driver.accept("imp_traced", traceparent=STORED)
    plain, traced = [await _value(driver, name, "n:") for name in ("imp_plain", "imp_traced")]
    assert plain.partition(b":")[0].isdigit()
    assert f" {STORED}:".encode() in traced

    for claimed in await driver.claim():
        change = driver.decide(claimed, paid(claimed.record.imp_uid))
        assert await _commit(driver, change, claimed, WRITTEN if claimed.traceparent else "") == "ok"

    plain, traced = [await _value(driver, name, "e:") for name in ("imp_plain", "imp_traced")]
    assert traced.endswith(WRITTEN.encode())
    assert b"00-" not in plain
    assert {row["imp_uid"]: "trace" in row for row in (await driver.rows("evt")).values()} == {
        "imp_plain": False,
        "imp_traced": True,
    }


async def _commit(driver: Driver, change: Change, claimed: ClaimedPayment, traceparent: str) -> Outcome:
    return await driver.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN + 100, traceparent=traceparent)


async def _value(driver: Driver, imp_uid: str, start: str) -> bytes:
    """The one field of a payment's row whose name begins so."""
    row: dict[bytes, bytes] = await driver.redis.hgetall(key("pay", f"default/{imp_uid}"))
    (value,) = (value for name, value in row.items() if name.startswith(start.encode()))
    return value
