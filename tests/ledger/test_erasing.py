"""Erasing a buyer from the notifications of a payment; of its events: test_long_histories.py."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ledger.scripting import Argument
from ledger.store import Store
from schemas.errors import LedgerUnavailable
from tests.ledger.breaking import breaking_off
from tests.support.ledger_driver import Driver, notification, paid
from tests.support.ledger_invariants import problems
from tests.support.ledger_redis import key
from tests.support.reasons import because

MANY = 1100
BUYER = b'"Gildong"'
EXTRA = b'{"buyer": ' + BUYER + b"}"


def as_text(argument: Argument) -> str:
    """An argument of a script."""
    return argument.decode(errors="replace") if isinstance(argument, bytes) else str(argument)


async def name_buyer(driver: Driver, number: int) -> None:
    """So many webhooks name the buyer of a payment that the ledger has."""
    await driver.look(paid())
    await asyncio.gather(*(driver.ledger.intake.accept(notification(extra=EXTRA)) for _ in range(number)))


async def naming_buyer(driver: Driver) -> int:
    """How many fields of the payment's row name the buyer."""
    return sum(BUYER in value for value in await driver.redis.hvals(key("pay", "default/imp_1")))


async def test_every_notification_is_erased(driver: Driver) -> None:
    """However many wait; all of them wait still."""
    await name_buyer(driver, MANY)
    assert await naming_buyer(driver) == MANY
    await driver.ledger.erasing.erase("default", "imp_1")
    assert await naming_buyer(driver) == 0
    waiting = await driver.ledger.notifications.of_payment("default", "imp_1", MANY + 1)
    assert [one.extra for one in waiting] == MANY * [{}]


async def test_what_is_settled_meanwhile_is_erased_too(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notification that waits when it is read, and is settled before it is written."""
    await driver.look(paid())
    webhook = await driver.accept(extra=EXTRA)
    run, claimed = Store.run, [await driver.claim_one()]

    async def settles(store: Store, name: str, *args: Argument, **options: Any) -> Any:
        if name == "erase_buyer_from_events" and f"n:{webhook.id}" in map(as_text, args):
            unknown = because("unknown")
            await driver.ledger.refresh_lane.postpone(claimed.pop(), "rejected", due_in=None, reason=unknown)
        return await run(store, name, *args, **options)

    monkeypatch.setattr(Store, "run", settles)
    await driver.ledger.erasing.erase("default", "imp_1")
    assert claimed == []
    assert await naming_buyer(driver) == 0


async def test_an_erasure_ends_while_webhooks_go_on_coming(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after it has begun is as what comes after it."""
    run = Store.run

    async def comes(store: Store, name: str, *args: Argument, **options: Any) -> Any:
        if name == "read_notification_fields":
            await driver.accept(extra=EXTRA)
        return await run(store, name, *args, **options)

    await name_buyer(driver, 3)
    monkeypatch.setattr(Store, "run", comes)
    async with asyncio.timeout(10):
        await driver.ledger.erasing.erase("default", "imp_1")
    assert await naming_buyer(driver) <= 1


async def test_an_erasure_that_breaks_off_is_not_recorded(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever that is; the next one finishes it."""
    await name_buyer(driver, MANY)
    left = [MANY]
    for calls in range(1, 4):
        with breaking_off(monkeypatch, "erase_buyer_from_events", calls), pytest.raises(LedgerUnavailable):
            await driver.ledger.erasing.erase("default", "imp_1")
        assert (await driver.ledger.refresh_lane.record("default", "imp_1")).erased_at is None
        left.append(await naming_buyer(driver))
    assert 0 < left[-1] < MANY
    assert left == sorted(left, reverse=True)
    await driver.ledger.erasing.erase("default", "imp_1")
    assert (await driver.ledger.refresh_lane.record("default", "imp_1")).erased_at is not None
    assert await naming_buyer(driver) == 0
    assert await problems(driver.ledger) == []
