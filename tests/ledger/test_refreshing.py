"""Looks at payments: leased one at a time, committed whole or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from ledger import Ledger
from ledger.keys import key
from schemas import stored
from schemas.cancellations import Request
from schemas.errors import NotFound
from schemas.facts import Kind
from schemas.look import Policy, Record, look, note
from tests.ledger.driving import REFRESH, THEN, Driver, paid


async def test_a_commit_writes_everything_at_once(ledger: Ledger, driver: Driver) -> None:
    """Facts, events, deliveries, indexes and outcomes are there after it, and the payment is no longer dirty."""
    lane = await driver.subscribe()
    one = await driver.accept()
    assert await driver.commit(await driver.claim_one(), paid("imp_1", 300)) == "ok"
    record = await ledger.refreshing.record("default", "imp_1")
    assert [fact.kind for fact in record.facts.values()] == [Kind.PAID, Kind.CANCELLED]
    assert (record.sequence, record.version, record.status.value) == (2, 1, "partially_cancelled")
    change = look(Record("default", "imp_1"), paid("imp_1", 300), THEN + 100, Policy())
    assert await driver.scores("evts", "p", "default/imp_1") == {event.id: event.sequence for event in change.events}
    assert await driver.outcome(one) == "applied"
    assert (await driver.due(REFRESH), list(await driver.lanes())) == ({}, [str(lane)])
    for index in ("pays", "pays:m:default", "pays:u:order", "pays:s:partially_cancelled"):
        assert list(await driver.scores(index)) == ["default/imp_1"]


async def test_the_record_comes_back_as_it_was_committed(driver: Driver) -> None:
    """What the next claim gives is what the last commit wrote, in the same order."""
    await driver.accept()
    claimed = await driver.claim_one()
    change = driver.decide(claimed, paid("imp_1", 300, 200))
    await driver.ledger.refreshing.commit(change, claimed=claimed, now=THEN)
    await driver.accept()
    again = (await driver.claim_one()).record
    assert again == replace(change.record, snapshot=again.snapshot)
    assert list(again.facts) == list(change.record.facts)
    assert again.snapshot is not None
    assert again.snapshot == change.record.snapshot


async def test_a_claim_leases_and_nobody_else_gets_it(driver: Driver) -> None:
    """Two workers never look at one payment at the same time; `limit` holds."""
    for n in range(5):
        await driver.accept(f"imp_{n}")
    first, second = await asyncio.gather(driver.claim(limit=3), driver.claim(limit=3))
    names = [claimed.record.imp_uid for claimed in (*first, *second)]
    assert (len(first), len(second), len(set(names))) == (3, 2, 5)
    assert await driver.claim() == ()


async def test_a_payment_touched_while_leased_is_looked_at_again(driver: Driver) -> None:
    """A webhook during a look is answered by the next one, not by the look that was under way."""
    early = await driver.accept()
    claimed = await driver.claim_one()
    late = await driver.accept(status="cancelled")
    assert await driver.claim() == ()
    await driver.commit(claimed, paid())
    assert (await driver.outcome(early), await driver.outcome(late)) == ("applied", "pending")
    await driver.commit(await driver.claim_one(), paid("imp_1", 1000))
    assert await driver.outcome(late) == "applied"
    assert await driver.due(REFRESH) == {}


async def test_a_look_without_news_leaves_its_notifications_unchanged(driver: Driver) -> None:
    """`unchanged` is for looks that found what was known."""
    await driver.look(paid())
    one = await driver.accept()
    await driver.commit(await driver.claim_one(), paid())
    assert await driver.outcome(one) == "unchanged"
    assert await driver.redis.zcard(key("evts")) == 1


async def test_a_lost_lease_writes_nothing(driver: Driver) -> None:
    """Whoever comes too late finds the payment in other hands, and changes nothing at all."""
    await driver.subscribe()
    one = await driver.accept()
    late = await driver.claim_one()
    await driver.lose(late.lease)
    successor = await driver.claim_one()
    assert successor.lease.token > late.lease.token
    assert await driver.commit(late, paid("imp_1", 400)) == "lost"
    assert await driver.redis.exists(key("pay", "default/imp_1"), key("facts", "default/imp_1"), key("evts")) == 0
    assert await driver.outcome(one) == "pending"
    await driver.ledger.refreshing.postpone(late.lease, "rejected", due_in=None, reason="unknown")
    assert await driver.outcome(one) == "pending"
    assert await driver.commit(successor, paid()) == "ok"
    assert (await driver.ledger.refreshing.record("default", "imp_1")).sequence == 1


async def test_a_late_commit_of_an_expired_lease_that_nobody_took_counts(driver: Driver) -> None:
    """The fence is the token, not the clock: as long as nobody else began, the work that was done is kept."""
    await driver.accept()
    claimed = await driver.claim_one()
    await driver.lose(claimed.lease)
    assert await driver.commit(claimed, paid()) == "ok"
    assert await driver.claim() == ()


async def test_a_commit_repeated_is_no_second_one(driver: Driver) -> None:
    """The token is used up: sending the same commit again, as after a lost answer, writes nothing."""
    lane = await driver.subscribe()
    await driver.accept()
    claimed = await driver.claim_one()
    change = driver.decide(claimed, paid())
    answers = [await driver.ledger.refreshing.commit(change, claimed=claimed, now=THEN) for _ in range(3)]
    assert answers == ["ok", "lost", "lost"]
    assert len(await driver.take(lane)) == 1
    assert await driver.redis.hget(key("pay", "default/imp_1"), "version") == b"1"


async def test_an_operators_change_in_between_is_noticed(driver: Driver) -> None:
    """A look decided on a record that was written meanwhile is `changed`; decided again, it keeps both."""
    await driver.look(paid())
    await driver.accept()
    claimed = await driver.claim_one()
    request = Request("can_1", None, "open", "api", requested_at=THEN)
    noted = note(claimed.record, request, THEN, Policy())
    assert await driver.ledger.refreshing.commit(noted, claimed=None, now=THEN) == "ok"
    assert await driver.commit(claimed, paid("imp_1", 300)) == "changed"
    record = await driver.ledger.refreshing.record("default", "imp_1")
    change = driver.decide(claimed, paid("imp_1", 300), record)
    assert await driver.ledger.refreshing.commit(change, claimed=claimed, now=THEN) == "ok"
    assert await driver.ledger.refreshing.commit(noted, claimed=None, now=THEN) == "changed"
    assert len((await driver.ledger.refreshing.record("default", "imp_1")).facts) == 3


async def test_an_operators_change_leaves_a_look_to_come(driver: Driver) -> None:
    """It neither answers the notifications that wait nor ends anybody's lease."""
    await driver.look(paid())
    waiting = await driver.accept()
    request = Request("can_1", None, "open", "api", requested_at=THEN)
    record = await driver.ledger.refreshing.record("default", "imp_1")
    await driver.ledger.refreshing.commit(note(record, request, THEN, Policy()), claimed=None, now=THEN)
    assert await driver.outcome(waiting) == "pending"
    claimed = await driver.claim_one()
    assert claimed.record.status.value == "cancellation_pending"


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
    due = (await driver.due(REFRESH))["imp_1"] / 1000 - await ledger.store.now()
    assert due == pytest.approx(7 * 86400 + 500, abs=60)
    assert (await driver.lanes())["refresh/default"] == (await driver.due(REFRESH))["imp_1"]
    assert await driver.claim() == ()
    await driver.accept()
    await driver.commit(await driver.claim_one(), paid(**account))
    await driver.pass_time(8 * 86400)
    await driver.claim_one()


async def test_a_claimed_cancellation_that_comes_during_a_look_is_not_forgotten(driver: Driver) -> None:
    """What a verified webhook claims is for the look after it, however early the one under way ends."""
    await driver.accept(status="cancelled", cancellation_id="c_early")
    claimed = await driver.claim_one()
    assert claimed.claims == ("c_early",)
    await driver.accept(status="cancelled", cancellation_id="c_late")
    await driver.commit(claimed, paid())
    await driver.pass_time(10)
    assert (await driver.claim_one()).claims == ("c_late",)


async def test_a_rejected_payment_forgets_only_what_was_claimed_before(driver: Driver) -> None:
    """A webhook that comes while the last look at an unknown payment is under way starts again."""
    early = await driver.accept(status="cancelled", cancellation_id="c_early")
    claimed = await driver.claim_one()
    late = await driver.accept(status="cancelled", cancellation_id="c_late")
    await driver.ledger.refreshing.postpone(claimed.lease, "rejected", due_in=None, reason="unknown to i'mport")
    assert (await driver.outcome(early), await driver.outcome(late)) == ("rejected", "pending")
    again = await driver.claim_one()
    assert (again.claims, again.tries) == (("c_late",), 0)


async def test_unverified_webhooks_claim_nothing(driver: Driver) -> None:
    """Buyers know their imp_uid: what anybody posts only causes a look."""
    await driver.accept(status="cancelled", cancellation_id="c1", verified=False)
    assert (await driver.claim_one()).claims == ()


async def test_notifications_wait_while_their_claim_is_open(driver: Driver) -> None:
    """A webhook about a cancellation that the first look does not show is answered by the second."""
    await driver.look(paid())
    one = await driver.accept(status="cancelled", cancellation_id="c1")
    await driver.commit(await driver.claim_one(), paid())
    assert await driver.outcome(one) == "pending"
    assert list(await driver.due(REFRESH)) == ["imp_1"]
    await driver.pass_time(10)
    await driver.commit(await driver.claim_one(), paid("imp_1", 1000))
    assert await driver.outcome(one) == "applied"


async def test_a_payment_that_had_left_brings_no_old_news(driver: Driver) -> None:
    """What a tombstone remembers stays known for good, not only for the first look after it."""
    record = look(Record("default", "imp_1"), paid(), THEN, Policy()).record
    await driver.redis.set(key("tomb", "default/imp_1"), stored.dump_tombstone(record))
    for _ in range(2):
        await driver.accept()
        claimed = await driver.claim_one()
        assert list(claimed.record.facts) == ["paid"]
        assert driver.decide(claimed, paid()).events == ()
        await driver.commit(claimed, paid())
    await driver.look(paid("imp_1", 100))
    assert list((await driver.scores("evts", "p", "default/imp_1")).values()) == [2]


async def test_a_quiet_look_records_without_delivery(driver: Driver) -> None:
    """What a quiet mark finds is recorded silently; the next, ordinary look delivers again."""
    lane = await driver.subscribe()
    await driver.ledger.refreshing.mark_dirty("default", "imp_1", quiet=True)
    claimed = await driver.claim_one()
    assert claimed.quiet
    await driver.commit(claimed, paid())
    assert await driver.take(lane) == ()
    assert await driver.redis.zcard(key("evts")) == 1
    await driver.look(paid("imp_1", 100))
    assert (await driver.take_one(lane)).type == "payment.partially_cancelled"


async def test_a_webhook_makes_a_quiet_look_heard(driver: Driver) -> None:
    """A payment that somebody else asks about is not silent because a reconciliation asked first, or last."""
    lane = await driver.subscribe()
    for imp_uid, webhook_first in (("imp_1", True), ("imp_2", False)):
        if webhook_first:
            await driver.accept(imp_uid)
        await driver.ledger.refreshing.mark_dirty("default", imp_uid, quiet=True)
        if not webhook_first:
            await driver.accept(imp_uid)
        await driver.commit(await driver.claim_one(), paid(imp_uid))
        assert (await driver.take_one(lane)).imp_uid == imp_uid
    await driver.ledger.refreshing.mark_dirty("default", "imp_3", quiet=True)
    await driver.ledger.refreshing.mark_dirty("default", "imp_3")
    await driver.commit(await driver.claim_one(), paid("imp_3"))
    assert (await driver.take_one(lane)).imp_uid == "imp_3"


async def test_a_quiet_mark_is_quiet_though_a_look_was_planned_for_later(driver: Driver) -> None:
    """A deadline in a week is no reason to deliver what a reconciliation by hand finds today."""
    lane = await driver.subscribe()
    await driver.ledger.refreshing.mark_dirty("default", "imp_1", due_in=86400)
    await driver.ledger.refreshing.mark_dirty("default", "imp_1", quiet=True)
    await driver.commit(await driver.claim_one(), paid())
    assert await driver.take(lane) == ()


async def test_a_quiet_mark_does_not_silence_a_look_that_is_under_way_or_put_off(driver: Driver) -> None:
    """What somebody waits for is delivered, though i'mport failed at first and a reconciliation came meanwhile."""
    lane = await driver.subscribe()
    await driver.ledger.refreshing.mark_dirty("default", "imp_1")
    claimed = await driver.claim_one()
    await driver.ledger.refreshing.mark_dirty("default", "imp_1", quiet=True)
    await driver.ledger.refreshing.postpone(claimed.lease, "stalled", due_in=60, tries=1)
    await driver.ledger.refreshing.mark_dirty("default", "imp_1", quiet=True)
    await driver.commit(await driver.claim_one(), paid())
    assert (await driver.take_one(lane)).type == "payment.paid"


async def test_the_same_imp_uid_at_two_merchants_is_two_payments(ledger: Ledger, driver: Driver) -> None:
    """Each has its own lane, record and events."""
    await ledger.merchants.put("other", imp_key="k", imp_secret="s")
    await driver.look(paid())
    await driver.accept(merchant="other")
    other = REFRESH._replace(name="other")
    claimed = await driver.claim_one(other)
    assert claimed.record.version == 0
    await driver.commit(claimed, paid("imp_1", 1000))
    assert (await ledger.refreshing.record("default", "imp_1")).status.value == "paid"
    assert (await ledger.refreshing.record("other", "imp_1")).status.value == "cancelled"
    assert await driver.redis.zcard(key("evts")) == 3


async def test_one_order_can_have_several_payments(driver: Driver) -> None:
    """`merchant_uid` is not unique: all of its payments are listed."""
    await driver.look(paid("imp_1"))
    await driver.look(paid("imp_2"))
    assert set(await driver.scores("pays", "u", "order")) == {"default/imp_1", "default/imp_2"}


async def test_a_stale_look_adds_nothing(driver: Driver) -> None:
    """An older answer that arrives later takes nothing back and is no news."""
    await driver.look(paid("imp_1", 1000))
    await driver.look(paid("imp_1"))
    record = await driver.ledger.refreshing.record("default", "imp_1")
    assert (record.status.value, record.sequence) == ("cancelled", 2)


async def test_twenty_webhooks_at_once_are_one_look_and_one_event(driver: Driver) -> None:
    """Identical webhooks, however many, make the payment dirty once; one look answers all of them."""
    webhooks = await asyncio.gather(*(driver.accept() for _ in range(20)))
    await driver.commit(await driver.claim_one(), paid())
    assert [await driver.outcome(one) for one in webhooks] == ["applied"] * 20
    assert await driver.redis.zcard(key("evts")) == 1


async def test_what_was_expected_can_be_read(ledger: Ledger, driver: Driver) -> None:
    """The expected amounts of orders, where the merchant said so; amounts stay exact."""
    await driver.redis.hset(key("orders", "default"), "order", '{"amount": 10.10, "currency": "USD"}')
    found = await ledger.refreshing.expected("default", ["order", "other"])
    assert {uid: (str(row.amount), row.currency) for uid, row in found.items()} == {"order": ("10.10", "USD")}
    assert await ledger.refreshing.expected("default", []) == {}


async def test_a_payment_never_seen_is_not_found(ledger: Ledger) -> None:
    """There is no record before the first look that found it."""
    with pytest.raises(NotFound):
        await ledger.refreshing.record("default", "imp_1")


async def test_commits_together_are_judged_one_by_one(driver: Driver) -> None:
    """Of commits that share a round trip, a lost one is lost alone."""
    for n in range(3):
        await driver.accept(f"imp_{n}")
    claimed = await driver.claim()
    await driver.lose(claimed[1].lease)
    await driver.claim()
    answers = await asyncio.gather(*(driver.commit(one, paid(one.record.imp_uid)) for one in claimed))
    assert answers == ["ok", "lost", "ok"]


async def test_a_rebuilt_ledger_counts_on_from_its_base(driver: Driver) -> None:
    """Sequences of new payments start above anything the lost ledger can have used."""
    await driver.redis.set(key("base"), THEN)
    await driver.accept()
    claimed = await driver.claim_one()
    change = driver.decide(claimed, paid())
    assert [event.sequence for event in change.events] == [THEN + 1]
    await driver.ledger.refreshing.postpone(claimed.lease, "rejected", due_in=None, reason="")
