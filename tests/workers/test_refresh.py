"""The refresher between a real ledger and an i'mport on a real socket: what each answer does to what was claimed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
import structlog.testing

from ledger import Ledger
from ledger.keys import Lane
from schemas import wire
from tests.support import stored_payments
from tests.support.iamport_stub import Asked, Stub, always, http, no, payment, well
from tests.support.ledger_driver import REFRESH, UNKNOWN, Driver
from tests.support.ledger_invariants import problems
from tests.support.reasons import because, said
from tests.support.waiting import PATIENCE, until
from tests.workers.merchant_workers import running_merchant
from workers.refresh import Refresher


class Shop:
    """A ledger, an i'mport that shows the payments in ``shown``, and a refresher between them."""

    def __init__(self, ledger: Ledger, stub: Stub, refresher: Refresher) -> None:
        self.driver = Driver(ledger)
        self.stub = stub
        self.shown: dict[str, dict[str, object]] = {}
        self.refresher = refresher
        self.refresh = refresher.refresh
        self.meanwhile: Callable[[], None] = lambda: None
        stub.reply = self.show

    def show(self, asked: Asked) -> bytes:
        """i'mport as it should be."""
        self.meanwhile()
        found = [self.shown[imp_uid] for imp_uid in asked.imp_uids if imp_uid in self.shown]
        if not found:
            return no(404)
        return well(found, 200 if len(found) == len(asked.imp_uids) else 207)

    def pay(self, *imp_uids: str) -> None:
        """These are paid at i'mport."""
        self.shown |= {imp_uid: payment(imp_uid, paid_at=1_900_000_000) for imp_uid in imp_uids}

    async def statuses(self) -> dict[str, str]:
        """Where each recorded payment stands."""
        rows = await stored_payments.records(self.driver.redis)
        return {name.partition("/")[2]: fields["status"] for name, fields in rows.items()}


@pytest.fixture
async def shop(redis_url: str) -> AsyncIterator[Shop]:
    """A shop with one merchant, on an empty ledger."""
    async with running_merchant(redis_url, IMP_KEY="key", IMP_SECRET="secret") as workers:
        yield Shop(workers.ledger, workers.stub, workers.refresher)
        assert await problems(workers.ledger) == []


async def test_what_is_due_is_looked_at_in_one_call(shop: Shop) -> None:
    """A batch is one question; every payment found is recorded, with its event."""
    shop.pay(*(f"imp_{n}" for n in range(100)))
    for n in range(100):
        await shop.driver.accept(f"imp_{n}")
    await shop.refresh(REFRESH.address)
    assert [len(asked.imp_uids) for asked in shop.stub.calls] == [100]
    assert set((await shop.statuses()).values()) == {"paid"}
    assert len(await shop.driver.ids("evt")) == 100
    assert await shop.driver.due(REFRESH) == {}


async def test_deadlines_pass_by_redis_clock(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is a day ahead takes no virtual account for expired, and looks again when it has."""
    real, now = time.time, int(await shop.driver.ledger.now())
    monkeypatch.setattr(time, "time", lambda: real() + 86_400)
    account = {"status": "ready", "pay_method": "vbank", "vbank_num": "1", "vbank_name": "bank", "paid_at": 0}
    shop.shown["imp_1"] = payment("imp_1", vbank_date=now + 3600, vbank_issued_at=now - 60, **account)
    await shop.driver.accept("imp_1")
    await shop.refresh(REFRESH.address)
    assert await shop.statuses() == {"imp_1": "virtual_account_issued"}
    (due,) = (await shop.driver.due(REFRESH)).values()
    assert 3600 - 60 <= due / 1000 - now <= 2 * 3600


async def test_a_made_up_payment_is_rejected_in_the_end(shop: Shop) -> None:
    """It is looked at again by its schedule, apart from the others, and then its notification is rejected."""
    one = await shop.driver.accept("imp_forged")
    await shop.refresh(REFRESH.address)
    for seconds in (2, 10, 30):
        assert await shop.driver.outcome(one) == "pending"
        await shop.refresh(UNKNOWN.address)
        await shop.driver.pass_time(seconds)
        await shop.refresh(UNKNOWN.address)
    assert len(shop.stub.calls) == 4
    assert await shop.driver.outcome(one) == "rejected"
    assert (await shop.driver.lanes(), await shop.statuses()) == ({}, {})


async def test_a_payment_once_seen_is_never_rejected(shop: Shop) -> None:
    """A 404 about it is i'mport failing: it waits and is asked for again."""
    shop.pay("imp_1")
    await shop.driver.accept("imp_1")
    await shop.refresh(REFRESH.address)
    shop.shown.clear()
    one = await shop.driver.accept("imp_1")
    for _ in range(6):
        await shop.refresh(REFRESH.address)
        await shop.driver.pass_time(4000)
    assert await shop.driver.outcome(one) == "pending"
    assert list(await shop.driver.due(REFRESH)) == ["imp_1"]
    assert await shop.statuses() == {"imp_1": "paid"}


@pytest.mark.parametrize("answer", [http(502), http(200, b"<html>"), no(429), no(401), None])
async def test_an_i_mport_that_fails_is_left_in_peace(shop: Shop, answer: bytes | None) -> None:
    """Everything waits, one payment goes as a probe, and all is caught up as soon as it answers again."""
    shop.pay(*(f"imp_{n}" for n in range(10)))
    for n in range(10):
        await shop.driver.accept(f"imp_{n}")
    shop.stub.reply = always(answer)
    await shop.refresh(REFRESH.address)
    asked = len(shop.stub.calls)
    await shop.refresh(REFRESH.address)
    assert len(shop.stub.calls) == asked
    assert (await shop.driver.ledger.merchants.get("default")).trouble is not None
    shop.stub.reply = shop.show
    shop.stub.asked.clear()
    await shop.driver.pass_time(40)
    await shop.refresh(REFRESH.address)
    await shop.refresh(REFRESH.address)
    assert [len(call.imp_uids) for call in shop.stub.calls] == [1, 9]
    assert len(await shop.statuses()) == 10
    assert (await shop.driver.ledger.merchants.get("default")).trouble is None


async def test_one_bad_payment_holds_back_nobody(shop: Shop) -> None:
    """What cannot be read waits alone, with its notification; the others of its batch are recorded."""
    shop.pay("imp_1", "imp_2", "imp_3")
    shop.shown["imp_2"]["amount"] = "plenty"
    one = [await shop.driver.accept(f"imp_{n}") for n in (1, 2, 3)][1]
    await shop.refresh(REFRESH.address)
    assert sorted(await shop.statuses()) == ["imp_1", "imp_3"]
    assert (await shop.driver.outcome(one), list(await shop.driver.due(REFRESH))) == ("pending", ["imp_2"])
    shop.pay("imp_2")
    await shop.driver.pass_time(2)
    await shop.refresh(REFRESH.address)
    assert await shop.driver.outcome(one) == "applied"


async def test_a_merchant_without_credentials_waits(shop: Shop) -> None:
    """It has no credentials: its dirty payments wait until it is set up."""
    await shop.driver.ledger.merchants.put("other", imp_key="", imp_secret="")
    one = await shop.driver.accept("imp_1", merchant="other")
    await shop.refresh("00:refresh/other")
    assert await shop.driver.outcome(one) == "pending"
    assert "credentials" in said((await shop.driver.ledger.merchants.get("other")).trouble)
    assert list(await shop.driver.due(Lane("refresh", "other"))) == ["imp_1"]


async def test_a_look_that_lost_its_lease_changes_nothing(shop: Shop) -> None:
    """While i'mport answered another worker took over: nothing is recorded, and that one's refresh counts."""
    shop.pay("imp_1")
    one = await shop.driver.accept("imp_1")
    (late,) = await shop.driver.claim()
    await shop.driver.lose(late.lease)
    await shop.refresh(REFRESH.address)
    assert await shop.driver.outcome(one) == "applied"
    await shop.driver.ledger.refresh_lane.postpone(late, "rejected", due_in=None, reason=because("too late"))
    assert (await shop.driver.outcome(one), await shop.statuses()) == ("applied", {"imp_1": "paid"})


async def test_nothing_due_asks_nobody(shop: Shop) -> None:
    """A kick too many costs one claim."""
    await shop.refresh(REFRESH.address)
    assert shop.stub.asked == []


async def test_less_than_was_known_is_looked_at_again_a_minute_later(shop: Shop) -> None:
    """By itself, on Redis' clock: a second look-up that agrees confirms the snapshot, and nothing else happens."""
    shop.shown["imp_1"] = payment("imp_1", paid_at=1_900_000_000, status="cancelled", cancel_amount=1000)
    await shop.driver.accept("imp_1")
    await shop.refresh(REFRESH.address)
    shop.pay("imp_1")
    await shop.driver.accept("imp_1")
    before = await shop.driver.ledger.now()
    await shop.refresh(REFRESH.address)
    due = (await shop.driver.due(REFRESH))["imp_1"] / 1000
    assert 59 < due - before < 62 + await shop.driver.ledger.now() - before
    assert (await shop.driver.ledger.payments.get("default", "imp_1")).contradicts == ()

    # A minute passes: for what waits in the lane, and since the first of the two looks.
    await shop.driver.pass_time(62)
    row = wire.loads((await stored_payments.records(shop.driver.redis))["default/imp_1"]["possible_retraction"])
    earlier = wire.dumps({**row, "at": row["at"] - 62}).decode()
    await stored_payments.change(shop.driver.redis, "default/imp_1", possible_retraction=earlier)
    await shop.refresh(REFRESH.address)
    shown = await shop.driver.ledger.payments.get("default", "imp_1")
    assert wire.loads(shown.snapshot)["cancel_amount"] == 0
    assert (len(shown.contradicts), shown.status, shown.sequence) == (1, "cancelled", 2)
    assert await shop.driver.due(REFRESH) == {}


async def test_every_look_that_breaks_off_is_logged(shop: Shop) -> None:
    """Only one error can be raised; the log has all of them, each with the payments that it was raised for."""
    shop.pay("imp_1", "imp_2")
    for imp_uid in ("imp_1", "imp_2"):
        await shop.driver.accept(imp_uid)
    await shop.driver.damage_events()
    with structlog.testing.capture_logs() as lines, pytest.raises(Exception, match="WRONGTYPE"):
        await shop.refresh(REFRESH.address)
    told = [line for line in lines if line["event"] == "refreshes_failed"]
    assert sorted(imp_uid for line in told for imp_uid in line["imp_uids"]) == ["imp_1", "imp_2"]
    assert all("WRONGTYPE" in line["error"] for line in told)
    await shop.driver.redis.flushdb()


async def test_a_backlog_is_for_other_workers_too(shop: Shop) -> None:
    """A worker goes on with what it kicks, but what is due beside a full batch is kicked for all."""
    shop.driver.ledger.offer_kicks("refresh", shop.refresher.take_up)
    shop.pay(*(f"imp_{n}" for n in range(150)))
    await asyncio.gather(*(shop.driver.accept(f"imp_{n}") for n in range(150)))
    sent = await shop.driver.messages("refresh")
    may_answer = asyncio.Event()
    shop.stub.held_up = may_answer
    refreshing = asyncio.create_task(shop.refresh(REFRESH.address))
    await until(lambda: shop.stub.calls, "it looks payments up")
    assert await shop.driver.messages("refresh") == sent + 1
    may_answer.set()
    await refreshing
    await shop.refresher.finish(PATIENCE)


async def test_a_slow_look_up_keeps_no_other_worker_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lane is shared once it has taken long; a look-up that has not is not."""
    shared = list[Lane]()

    async def share(lane: Lane) -> None:
        shared.append(lane)

    monkeypatch.setattr(shop.driver.ledger.refresh_lane, "share", share)
    shop.pay("imp_1")
    may_answer = asyncio.Event()
    shop.stub.held_up = may_answer
    await shop.driver.accept("imp_1")
    refreshing = asyncio.create_task(shop.refresh(REFRESH.address))
    await until(lambda: shared, "the lane is shared")
    may_answer.set()
    await refreshing
    await shop.refresher.finish(PATIENCE)
    assert shared == [REFRESH]
