"""A payment of a megabyte, in Korean, from i'mport to a subscriber and to every page that shows it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from schemas import wire
from tests.console.web.conftest import Reader
from tests.end_to_end.test_reconciliation import begin, until_done
from tests.support.clients import http_client
from tests.support.relay import TOKEN, Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay()

LARGE = {"custom_data": "결제" * 170_000, "status": "paid"}


async def make(relay: Relay, imp_uid: str, key: str = "key", **fields: Any) -> None:
    """i'mport has a payment with a megabyte of a shop's own data."""
    await relay.payment_at_iamport(imp_uid=imp_uid, imp_key=key, paid_at=int(time.time()), **{**LARGE, **fields})


async def test_it_passes_through_everything(relay: Relay) -> None:
    """Webhook, look-up, ledger, callback, API: whole, and signed; a cancellation of it, too."""
    heard = await relay.subscribe()
    await make(relay, "imp_large")

    await relay.webhook("imp_large")

    await relay.until(lambda: heard.types("imp_large") == ["paid"], "it is heard")
    assert heard.events[0]["data"]["payment"]["custom_data"] == LARGE["custom_data"]
    payment = await relay.payment("imp_large")
    assert payment["payment"]["custom_data"] == LARGE["custom_data"]
    answer = await relay.api.post("/v1/payments/imp_large/cancellations", json={"amount": 4})
    assert answer.status_code == 200, answer.text[:500]
    await relay.until_recorded("imp_large", "paid", "partially_cancelled")
    await relay.until(lambda: heard.types("imp_large") == ["paid", "partially_cancelled"], "all of it is heard")
    (event, *_) = wire.loads((await relay.api.get("/v1/events", params={"imp_uid": "imp_large"})).content)["data"]
    for path in (f"/v1/events/{event['id']}", f"/v1/deliveries?event={event['id']}", "/v1/payments"):
        assert (await relay.api.get(path)).status_code == 200
    async with http_client(relay.url("console")) as client:
        reader = Reader(client)
        await reader.sign_in(TOKEN)
        for path in ("/payments/default/imp_large", f"/events/{event['id']}", "/events", "/payments"):
            assert (await reader.open(path)).status_code == 200, path


async def test_many_of_them_at_once(relay: Relay) -> None:
    """A dozen in one batch are more than one answer can be: they are looked up in parts, and all are told."""
    await relay.merchant("bulk")
    imp_uids = [f"imp_bulk{number}" for number in range(12)]
    for imp_uid in imp_uids:
        await make(relay, imp_uid, "key-bulk")
    for imp_uid in imp_uids:
        await relay.webhook(imp_uid, path="/webhooks/bulk")

    await relay.until_idle("bulk")
    for imp_uid in imp_uids:
        await relay.until_recorded(imp_uid, "paid", merchant="bulk")


async def test_they_are_reconciled(relay: Relay) -> None:
    """A list of them is compared in parts; what is missing is found, and the run says so."""
    await relay.merchant("listed")
    imp_uids = [f"imp_listed{number}" for number in range(12)]
    for imp_uid in imp_uids:
        await make(relay, imp_uid, "key-listed")
    row = await until_done(relay, await begin(relay, "listed"), within=180)

    assert (row["missing"], row["repaired"], row["trouble"]) == (12, 12, None)
    for imp_uid in imp_uids:
        await relay.until_recorded(imp_uid, "paid", merchant="listed")
