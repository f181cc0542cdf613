"""Refreshes of payments: leased one at a time, committed whole or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from ledger import Ledger
from ledger.refresh_lane import Expectations
from schemas import wire
from schemas.errors import NotFound
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Policy, Record, decide, record_request
from schemas.payments.facts import FactKind
from tests.support import stored_payments
from tests.support.ledger_driver import REFRESH, THEN, Driver, paid
from tests.support.ledger_redis import key
from tests.support.reasons import because


async def test_a_commit_writes_everything_at_once(ledger: Ledger, driver: Driver) -> None:
    """Facts, events, deliveries, indexes and outcomes are there after it, and the payment is no longer dirty."""
    lane = await driver.subscribe()
    one = await driver.accept()
    assert await driver.commit(await driver.claim_one(), paid("imp_1", 300)) == "ok"
    record = await ledger.refresh_lane.record("default", "imp_1")
    assert [fact.kind for fact in record.facts.values()] == [FactKind.PAID, FactKind.CANCELLED]
    assert (record.sequence, record.version, record.status.value) == (2, 1, "partially_cancelled")
    change = decide(Record("default", "imp_1"), paid("imp_1", 300), THEN + 100, Policy())
    rows = {name: int(row["sequence"]) for name, row in (await driver.rows("evt")).items()}
    assert rows == {event.id: event.sequence for event in change.events}
    assert await driver.outcome(one) == "applied"
    assert (await driver.due(REFRESH), list(await driver.lanes())) == ({}, [str(lane)])
    assert await driver.redis.hgetall(key("pays", "default")) == {b"order": b" imp_1"}


async def test_the_record_comes_back_as_it_was_committed(driver: Driver) -> None:
    """What the next claim gives is what the last commit wrote, in the same order."""
    await driver.accept()
    claimed = await driver.claim_one()
    change = driver.decide(claimed, paid("imp_1", 300, 200))
    await driver.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN)
    await driver.accept()
    again = (await driver.claim_one()).record
    assert again == replace(change.record, snapshot=again.snapshot)
    assert list(again.facts) == list(change.record.facts)
    assert again.snapshot is not None
    assert again.snapshot == change.record.snapshot


async def test_a_claim_leases_and_nobody_else_gets_it(driver: Driver) -> None:
    """Two workers never refresh one payment at the same time; `limit` holds."""
    for n in range(5):
        await driver.accept(f"imp_{n}")
    first, second = await asyncio.gather(driver.claim(limit=3), driver.claim(limit=3))
    names = [claimed.record.imp_uid for claimed in (*first, *second)]
    assert (len(first), len(second), len(set(names))) == (3, 2, 5)
    assert await driver.claim() == ()


async def test_a_payment_touched_while_leased_is_looked_at_again(driver: Driver) -> None:
    """A webhook during a refresh is answered by the next refresh, not by the one that was under way."""
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
    """`unchanged` is for refreshes that found what was known."""
    await driver.look(paid())
    one = await driver.accept()
    await driver.commit(await driver.claim_one(), paid())
    assert await driver.outcome(one) == "unchanged"
    assert len(await driver.ids("evt")) == 1


async def test_a_lost_lease_writes_nothing(driver: Driver) -> None:
    """Whoever comes too late finds the payment in other hands, and changes nothing at all."""
    await driver.subscribe()
    one = await driver.accept()
    late = await driver.claim_one()
    await driver.lose(late.lease)
    successor = await driver.claim_one()
    assert successor.lease.token > late.lease.token
    assert await driver.commit(late, paid("imp_1", 400)) == "lost"
    assert await stored_payments.records(driver.redis) == {}
    assert await driver.ids("evt") == set()
    assert await driver.outcome(one) == "pending"
    await driver.ledger.refresh_lane.postpone(late, "rejected", due_in=None, reason=because("unknown"))
    assert await driver.outcome(one) == "pending"
    assert await driver.commit(successor, paid()) == "ok"
    assert (await driver.ledger.refresh_lane.record("default", "imp_1")).sequence == 1


async def test_a_late_commit_of_an_expired_lease_that_nobody_took_counts(driver: Driver) -> None:
    """The fence is the token, not the clock: as long as no other worker claimed it, the result is written."""
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
    answers = [await driver.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN) for _ in range(3)]
    assert answers == ["ok", "lost", "lost"]
    assert len(await driver.take(lane)) == 1
    assert (await stored_payments.records(driver.redis))["default/imp_1"]["version"] == "1"


async def test_an_operators_change_in_between_is_noticed(driver: Driver) -> None:
    """A refresh decided on a record that was written meanwhile is `changed`; decided again, it keeps both."""
    await driver.look(paid())
    await driver.accept()
    claimed = await driver.claim_one()
    request = CancellationRequest("can_1", None, "open", "api", requested_at=THEN)
    noted = record_request(claimed.record, request, THEN, Policy())
    assert await driver.ledger.refresh_lane.commit(noted, claimed=None, now=THEN) == "ok"
    assert await driver.commit(claimed, paid("imp_1", 300)) == "changed"
    record = await driver.ledger.refresh_lane.record("default", "imp_1")
    change = driver.decide(claimed, paid("imp_1", 300), record)
    assert await driver.ledger.refresh_lane.commit(change, claimed=claimed, now=THEN) == "ok"
    assert await driver.ledger.refresh_lane.commit(noted, claimed=None, now=THEN) == "changed"
    assert len((await driver.ledger.refresh_lane.record("default", "imp_1")).facts) == 3


async def test_an_operators_change_leaves_a_look_to_come(driver: Driver) -> None:
    """It neither answers the notifications that wait nor ends anybody's lease."""
    await driver.look(paid())
    waiting = await driver.accept()
    request = CancellationRequest("can_1", None, "open", "api", requested_at=THEN)
    record = await driver.ledger.refresh_lane.record("default", "imp_1")
    await driver.ledger.refresh_lane.commit(record_request(record, request, THEN, Policy()), claimed=None, now=THEN)
    assert await driver.outcome(waiting) == "pending"
    claimed = await driver.claim_one()
    assert claimed.record.status.value == "cancellation_pending"


async def test_the_same_imp_uid_at_two_merchants_is_two_payments(ledger: Ledger, driver: Driver) -> None:
    """Each has its own lane, record and events."""
    await ledger.merchants.put("other", imp_key="k", imp_secret="s")
    await driver.look(paid())
    await driver.accept(merchant="other")
    other = REFRESH._replace(name="other")
    claimed = await driver.claim_one(other)
    assert claimed.record.version == 0
    await driver.commit(claimed, paid("imp_1", 1000))
    assert (await ledger.refresh_lane.record("default", "imp_1")).status.value == "paid"
    assert (await ledger.refresh_lane.record("other", "imp_1")).status.value == "cancelled"
    assert len(await driver.ids("evt")) == 3


async def test_one_order_can_have_several_payments(driver: Driver) -> None:
    """`merchant_uid` is not unique: all of its payments are listed."""
    await driver.look(paid("imp_1"))
    await driver.look(paid("imp_2"))
    assert await driver.redis.hgetall(key("pays", "default")) == {b"order": b" imp_1 imp_2"}


async def test_a_stale_look_adds_nothing(driver: Driver) -> None:
    """An older answer that arrives later takes nothing back and announces nothing."""
    await driver.look(paid("imp_1", 1000))
    await driver.look(paid("imp_1"))
    record = await driver.ledger.refresh_lane.record("default", "imp_1")
    assert (record.status.value, record.sequence) == ("cancelled", 2)


async def test_twenty_webhooks_at_once_are_one_look_and_one_event(driver: Driver) -> None:
    """Identical webhooks, however many, make the payment dirty once; one refresh answers all of them."""
    webhooks = await asyncio.gather(*(driver.accept() for _ in range(20)))
    await driver.commit(await driver.claim_one(), paid())
    assert [await driver.outcome(one) for one in webhooks] == ["applied"] * 20
    assert len(await driver.ids("evt")) == 1


async def test_more_webhooks_than_fit_on_luas_stack_are_one_look(driver: Driver) -> None:
    """Otherwise that many about one payment would stop all refreshes of its merchant for ever."""
    for _ in range(9):
        await asyncio.gather(*(driver.accept() for _ in range(1000)))
    claimed = await driver.claim_one()
    assert len(claimed.waiting) == 9000
    assert await driver.commit(claimed, paid()) == "ok"
    assert await driver.redis.hlen(key("pay", "default/imp_1")) > 9000
    assert set((await stored_payments.outcomes(driver.redis)).values()) == {"applied"}
    assert await driver.claim() == ()


async def test_what_was_expected_can_be_read(ledger: Ledger, driver: Driver) -> None:
    """The expected amounts of orders, where the merchant said so; amounts stay exact."""
    await driver.redis.hset(key("orders", "default"), "order", '{"amount": 10.10, "currency": "USD"}')
    found = await ledger.refresh_lane.expected("default", ["order", "other"])
    assert {uid: (str(row.amount), row.currency) for uid, row in found.amounts.items()} == {"order": ("10.10", "USD")}
    assert found.maybe_left == []
    assert await ledger.refresh_lane.expected("default", []) == Expectations({}, [])


async def test_a_claim_says_whether_amounts_are_expected(ledger: Ledger, driver: Driver) -> None:
    """A merchant's first expectation may come while payments are looked up whose claim said that there is none: they
    are refreshed again. From then on a claim says that there are some."""
    await driver.accept()
    claimed = await ledger.refresh_lane.claim(REFRESH)
    assert not claimed.expects
    await ledger.payments.expect("default", "order", Decimal(1005), None)
    await driver.commit(claimed.payments[0], paid())
    again = await ledger.refresh_lane.claim(REFRESH)
    assert [one.record.imp_uid for one in again.payments] == ["imp_1"]
    assert again.expects
    await ledger.payments.expect("default", "another", Decimal(1005), None)
    await driver.commit(again.payments[0], paid())
    assert not (await ledger.refresh_lane.claim(REFRESH)).payments


async def test_a_payment_never_seen_is_not_found(ledger: Ledger) -> None:
    """There is no record before the first refresh that found it."""
    with pytest.raises(NotFound):
        await ledger.refresh_lane.record("default", "imp_1")


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
    await driver.ledger.refresh_lane.postpone(claimed, "rejected", due_in=None, reason=because(""))


async def test_an_event_keeps_the_object_that_was_fetched(driver: Driver) -> None:
    """The payment keeps the earlier snapshot until a second look-up agrees; the event shows its own look-up."""
    rows = [{"pg_tid": f"d{n}", "amount": 600, "deposited_at": THEN + n} for n in range(2)]
    account = {"pay_method": "vbank", "amount": 0}
    lane = await driver.subscribe(ordered=False)
    await driver.look(paid("imp_1", deposit_history=rows, **account))
    less = paid("imp_1", 100, deposit_history=rows[:1], **account)
    await driver.look(less)
    (body,) = [one.body for one in await driver.take(lane) if b"partially_cancelled" in one.body[:200]]
    assert body.endswith(b',"payment":' + less.raw + b"}}")
    stored = wire.loads((await driver.ledger.payments.get("default", "imp_1")).snapshot)
    assert len(stored["deposit_history"]) == 2
