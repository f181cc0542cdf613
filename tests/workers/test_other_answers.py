"""An i'mport that answers about other payments, or nonsense: only what was asked for and is missing waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import structlog.testing

from tests.support import stored_payments
from tests.support.iamport_stub import Asked, no, payment, well
from tests.support.ledger_driver import REFRESH
from tests.support.ledger_invariants import problems
from tests.workers.merchant_workers import MerchantWorkers, running_merchant


@pytest.fixture
async def shop(redis_url: str) -> AsyncIterator[MerchantWorkers]:
    """A merchant with live payments."""
    async with running_merchant(redis_url) as shop:
        yield shop
        assert await problems(shop.ledger) == []


def told(lines: list[Any], event: str) -> list[Any]:
    """The lines of the log with this event."""
    return [line for line in lines if line["event"] == event]


async def test_the_payments_of_somebody_else_are_left_alone(shop: MerchantWorkers) -> None:
    """Their rows make no record; what was asked for and is missing waits, with its notification; one line says so."""
    for imp_uid in ("imp_1", "imp_2", "imp_3"):
        await shop.pay(imp_uid)
        await shop.driver.accept(imp_uid)
    others = [payment("imp_1"), payment("other_1"), payment("other_2")]
    shop.stub.reply = lambda _asked: well(others, 207)

    with structlog.testing.capture_logs() as lines:
        await shop.look()

    (line,) = told(lines, "unrequested_payments_ignored")
    assert (line["requested"], line["unrequested"], line["imp_uids"]) == (3, 2, ("other_1", "other_2"))
    assert list(await stored_payments.records(shop.driver.redis)) == ["default/imp_1"]
    assert sorted(await shop.driver.due(REFRESH)) == ["imp_2", "imp_3"]
    assert [(await shop.reason(f"imp_{n}"))[0][0] for n in (1, 2, 3)] == ["applied", "pending", "pending"]
    shop.stub.reply = shop.show
    await shop.driver.pass_time(5)
    await shop.look()
    assert [await shop.events(f"imp_{n}") for n in (2, 3)] == [[("paid", False)], [("paid", False)]]


@pytest.mark.parametrize(
    "fields",
    [
        {"amount": "1000"},
        {"amount": Decimal(10**30)},
        {"amount": Decimal("1e-99999")},
        {"cancel_amount": "10"},
        {"cancel_amount": Decimal(10**400)},
        {"cancel_history": [{"amount": "10", "cancelled_at": 1}]},
        {"deposit_history": [{"amount": Decimal(10**20), "deposited_at": 1}]},
    ],
)
async def test_amounts_that_cannot_be_read_hold_back_one_payment(shop: MerchantWorkers, fields: dict[str, Any]) -> None:
    """It is looked up again, with a log line that names it; its neighbour is announced at once."""
    await shop.pay("imp_bad", **fields)
    await shop.pay("imp_good")
    for imp_uid in ("imp_bad", "imp_good"):
        await shop.driver.accept(imp_uid)
    with structlog.testing.capture_logs() as lines:
        await shop.look()
    assert await shop.events("imp_good") == [("paid", False)]
    assert await shop.events("imp_bad") == []
    assert list(await shop.driver.due(REFRESH)) == ["imp_bad"]
    (line,) = told(lines, "refresh_failed")
    assert "imp_bad" in line["error"]
    [(outcome, reason)] = await shop.reason("imp_bad")
    assert outcome == "pending"
    assert (reason or "").startswith("it cannot be looked up: payment imp_bad: ")
    await shop.pay("imp_bad")
    await shop.driver.pass_time(5)
    await shop.look()
    assert [outcome for outcome, _ in await shop.reason("imp_bad")] == ["applied"]


async def test_numbers_that_are_no_amounts_are_passed_on(shop: MerchantWorkers) -> None:
    """An integer beyond all machines in a field that the relay does not read reaches the subscriber as it came."""
    huge = Decimal("1" + "0" * 60)
    await shop.pay("imp_1", apply_num=huge, card_quota=huge, started_at=huge)
    await shop.driver.accept("imp_1")
    await shop.look()
    (event,) = await shop.ledger.events.of_payment("default", "imp_1")
    assert f'"card_quota":{huge}'.encode() in event.body


async def test_a_prepared_amount_that_is_nonsense_holds_back_its_order_alone(shop: MerchantWorkers) -> None:
    """The payment it is for waits, as the registered amount is unknown; the others of its batch are compared."""
    await shop.put(check_prepared=True)
    for n in range(8):
        await shop.pay(f"imp_{n}")
        await shop.driver.accept(f"imp_{n}")

    def show(asked: Asked) -> bytes:
        if asked.path.startswith("/payments/prepare/"):
            return well({"amount": "1000" if asked.path.endswith("imp_0") else 1000, "currency": "KRW"})
        return shop.show(asked)

    shop.stub.reply = show
    await shop.look()
    assert list(await shop.driver.due(REFRESH)) == ["imp_0"]
    assert len(await shop.driver.ids("evt")) == 7


async def test_a_listed_row_that_cannot_be_read_is_looked_at(shop: MerchantWorkers) -> None:
    """The list says where to look: a bad row in it loses nothing, one line says so, and nothing is called missing."""
    await shop.pay("imp_1")
    good = shop.shown["imp_1"]
    rows = [good | {"amount": "1000"}, payment("imp_2", paid_at=5), payment("imp_2", paid_at=6), None]

    def show(asked: Asked) -> bytes:
        if asked.path == "/payments/status/all":
            return well({"total": len(rows), "previous": 0, "next": 0, "list": rows})
        return shop.show(asked)

    shop.stub.reply = show
    with structlog.testing.capture_logs() as lines:
        run = await shop.reconcile()
    (line,) = told(lines, "rows_not_compared")
    assert (line["rows"], line["imp_uids"]) == (3, ["imp_1", "imp_2"])
    assert (run.compared, run.missing) == (0, 0)
    assert await shop.events("imp_1") == [("paid", False)]


async def test_a_list_with_the_payments_of_others(shop: MerchantWorkers) -> None:
    """What the list shows and no look finds is none of this merchant's: nothing is recorded, and nothing was lost."""
    await shop.pay("imp_other", ago=900)

    def show(asked: Asked) -> bytes:
        return no(404) if asked.path == "/payments" else shop.show(asked)

    shop.stub.reply = show
    await shop.reconcile()
    for seconds in (3, 15, 40):
        await shop.refresher.refresh("00:unknown/default")
        await shop.driver.pass_time(seconds)
    await shop.refresher.refresh("00:unknown/default")
    run = await shop.reconcile()
    assert run.repaired == 0
    assert await shop.events("imp_other") == []
    assert await shop.ledger.reconciliations.webhook_losses() == (0, 0)
