"""Erasing a buyer, where the payment has left the ledger or not; the whole is in tests/end_to_end/test_erasing.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from console.context import Context
from console.operations.erase_buyer import erase_buyer
from console.operations.read_payments import list_payments, read_payment
from console.server import make_context
from history.pages import PageRequest
from runtime.settings import Settings
from schemas.compression import decompress
from schemas.errors import Conflict, NotFound
from tests.console.conftest import Console, recording
from tests.support import machine
from tests.support.histories import until_recorded
from tests.support.ledger_driver import Driver


@pytest.fixture
async def context(redis_url: str, tmp_path: Path) -> AsyncIterator[Context]:
    """An empty ledger, a history, and a recorder between them."""
    settings = Settings.load({
        "REDIS_URL": redis_url, "RELAY_CELLS": "1", "RELAY_API_TOKEN": "token",
        "RELAY_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "RELAY_HISTORY_URL": f"sqlite:///{tmp_path}/history.db",
    })  # fmt: skip
    context = make_context(settings)
    await context.ledger.open_with(context.history, context.sealer)
    async with recording(context.ledger, context.history):
        yield context
    await context.accounts.close()
    await context.history.close()
    await context.ledger.close()


async def test_one_that_has_left(context: Context) -> None:
    """It is put back and blanked, and so is history, whose record says so when the payment comes back again."""
    await machine.seen(context.ledger, "imp_1", amount=1004, buyer_name="홍길동")
    await until_recorded(context.ledger)
    await Driver(context.ledger).forget_payment("default/imp_1")
    await erase_buyer(context, "default", "imp_1")
    record = await context.ledger.refresh_lane.record("default", "imp_1")
    assert record.snapshot is not None
    assert "홍길동".encode() not in record.snapshot.raw
    await until_recorded(context.ledger)
    payment = await context.history.payments.get("default", "imp_1")
    assert payment.erased_at
    assert "홍길동".encode() not in decompress(payment.snapshot)
    (event,) = (await context.history.events.of_payments([("default", "imp_1")]))["default", "imp_1"]
    assert "홍길동".encode() not in event.body
    await Driver(context.ledger).forget_payment("default/imp_1")
    (listed,) = (await list_payments(context, PageRequest())).rows
    for shown in (listed, await read_payment(context, "default", "imp_1")):
        assert shown.stored.erased_at == payment.erased_at / 1000, "when it was is shown"


async def test_what_is_still_to_be_delivered_is_not_erased(context: Context) -> None:
    """A pending delivery needs the body as it is, in the ledger and in history."""
    await Driver(context.ledger).subscribe()
    await machine.seen(context.ledger, "imp_1", amount=1004, buyer_name="홍길동")
    with pytest.raises(Conflict):
        await erase_buyer(context, "default", "imp_1")
    await until_recorded(context.ledger)
    await Driver(context.ledger).forget_payment("default/imp_1")
    with pytest.raises(Conflict):
        await erase_buyer(context, "default", "imp_1")
    assert "홍길동".encode() in decompress((await context.history.payments.get("default", "imp_1")).snapshot)


async def test_one_that_there_is_not(context: Context) -> None:
    """404, with its id."""
    with pytest.raises(NotFound):
        await erase_buyer(context, "default", "imp_none")


async def test_a_read_only_token_erases_nothing(console: Console) -> None:
    """403, though the payment exists."""
    await machine.seen(console.ledger, "imp_1", amount=1004)
    headers = {"authorization": "Bearer reader-token"}
    answer = await console.call("POST", "/v1/payments/imp_1/erase", {"reason": "asked"}, headers=headers)
    assert answer.status_code == 403
    assert (await console.call("GET", "/v1/payments/imp_1")).json()["erased_at"] is None
