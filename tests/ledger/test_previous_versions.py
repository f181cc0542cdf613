"""Ledgers that earlier versions left are read, finished and gone on with by today's code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger import Ledger
from ledger.compatibility import OLDEST
from ledger.keys import Lane
from runtime.encryption import Sealer
from schemas.payments.codec import VERSION
from tests.ledger.previous import FOLDER, KEY, load
from tests.support import stored_payments
from tests.support.ledger_driver import REFRESH, UNKNOWN, Driver, endpoint, paid

FILES = sorted(FOLDER.glob("version-*.json"))
LEDGERS = [pytest.param(json.loads(file.read_text()), id=file.stem) for file in FILES]


def test_every_version_has_its_ledger() -> None:
    """Of every version that is still read a ledger is kept; `tests.ledger.previous` writes it."""
    assert [file.stem for file in FILES] == [f"version-{number}" for number in range(OLDEST, VERSION + 1)]


@pytest.mark.parametrize("keys", LEDGERS)
async def test_a_ledger_of_an_earlier_version_goes_on(ledger: Ledger, driver: Driver, keys: dict[str, Any]) -> None:
    """Everything in it can be read; what was due, leased, delayed or dead goes on where it was, each fact once."""
    await load(driver, keys)
    await ledger.begin(Sealer([KEY]))
    before = await _read(ledger, driver)
    assert len(before["events"]) == 5

    # Its leases end; every payment is looked at again, and the looks bring only what is new.
    await driver.pass_time(4000)
    for imp_uid in ("imp_paid", "imp_part", "imp_dead"):
        await ledger.refresh_lane.mark_dirty("default", imp_uid)
    new = {"imp_unknown", "imp_claimed", "imp_due"}
    for lane in (REFRESH, UNKNOWN):
        for claimed in await driver.claim(lane):
            assert bool(claimed.record.facts) == (claimed.record.imp_uid not in new)
            cancelled = (300,) if claimed.record.imp_uid == "imp_part" else ()
            assert await driver.commit(claimed, paid(claimed.record.imp_uid, *cancelled)) == "ok"
    after = await _read(ledger, driver)
    assert after["events"].keys() - before["events"].keys() == {
        name for name, imp_uid in after["events"].items() if imp_uid in new
    }
    assert sorted(after["payments"]) == sorted([*before["payments"], *new])

    # What was to be sent is sent, in order, to an endpoint that today's code can also change.
    await ledger.endpoints.update("ep_1", lambda _old: endpoint(max_in_flight=100))
    await ledger.deliveries.retry(next(iter(before["dead"])))
    sent = []
    while taken := await driver.take(Lane("deliver", "ep_1")):
        for delivery in taken:
            sent.append((delivery.imp_uid, delivery.type))
            assert await driver.settle(delivery) in ("ok", "was_failing")
    assert ("imp_dead", "payment.paid") in sent
    assert [kind for imp_uid, kind in sent if imp_uid == "imp_part"] == ["payment.paid", "payment.partially_cancelled"]
    assert {imp_uid for imp_uid, _ in sent} == {"imp_part", "imp_dead", "imp_leased", *new}


async def _read(ledger: Ledger, driver: Driver) -> dict[str, Any]:
    """Everything of payments that is in it."""
    assert "shop" in await ledger.merchants.names()
    assert len(await stored_payments.waiting(driver.redis)) >= 1
    names = [name.split("/") for name in await stored_payments.records(driver.redis)]
    events = [await ledger.events.get(name) for name in await driver.ids("evt")]
    deliveries = await ledger.deliveries.some(list(await driver.ids("dlv")))
    return {
        "payments": [(await ledger.payments.get(*name)).imp_uid for name in names],
        "events": {row.id: row.imp_uid for row in events},
        "dead": {row.id for row in deliveries if row.state == "dead"},
    }
