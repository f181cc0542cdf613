"""Reconciliation by hand: any period, recorded silently unless asked otherwise, and a ledger rebuilt from nothing."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

import pytest

from schemas.times import rfc3339
from tests.support.ledger_redis import redis_of
from tests.support.relay import Relay
from tests.support.relay_fixtures import shared_relay

pytestmark = pytest.mark.asyncio(loop_scope="module")

relay = shared_relay(RELAY_RECONCILE_EVERY="0s")

DAY = 86400


async def begin(relay: Relay, merchant: str = "default", days: float = 1, **fields: Any) -> str:
    """Start a run over the last days; its id."""
    body = {"merchant": merchant, "since": rfc3339(time.time() - days * DAY), "until": rfc3339(time.time() + 60)}
    answer = await relay.api.post("/v1/reconciliations", json={**body, **fields})
    assert answer.status_code == 202, answer.text
    run: str = answer.json()["id"]
    return run


async def until_done(relay: Relay, run: str, within: float = 60) -> dict[str, Any]:
    """Wait until a run is over; the run."""

    async def done() -> dict[str, Any] | None:
        row: dict[str, Any] = (await relay.api.get(f"/v1/reconciliations/{run}")).json()
        return row if row["state"] == "done" else None

    row: dict[str, Any] = await relay.until(done, f"{run} is done", within)
    return row


async def shop(relay: Relay, name: str, **fields: Any) -> list[str]:
    """A new merchant with two payments whose webhooks were never sent; their imp_uids."""
    await relay.merchant(name)
    imp_uids = [f"imp_{name}{number}" for number in range(2)]
    for imp_uid in imp_uids:
        await relay.payment_at_iamport(
            **{"imp_uid": imp_uid, "imp_key": f"key-{name}", "status": "paid", "paid_at": int(time.time()), **fields}
        )
    return imp_uids


async def test_what_is_found_by_hand_is_recorded_silently(relay: Relay) -> None:
    """Without `deliver` what was missing is there afterwards, and no subscriber has heard of it."""
    imp_uids = await shop(relay, "quiet")
    heard = await relay.subscribe("quiet")

    run = await until_done(relay, await begin(relay, "quiet"))

    assert (run["compared"], run["missing"], run["repaired"]) == (2, 2, 2)
    for imp_uid in imp_uids:
        assert [event["silent"] for event in await relay.events(imp_uid, "quiet")] == [True]
    again = await until_done(relay, await begin(relay, "quiet"))
    assert (again["compared"], again["missing"]) == (2, 0)
    assert heard.events == []
    runs = (await relay.api.get("/v1/reconciliations", params={"merchant": "quiet"})).json()["data"]
    assert [row["id"] for row in runs] == [again["id"], run["id"]]


async def test_what_is_found_by_hand_is_sent_on_request(relay: Relay) -> None:
    """With `deliver` subscribers hear of it."""
    imp_uids = await shop(relay, "loud")
    heard = await relay.subscribe("loud")

    await until_done(relay, await begin(relay, "loud", deliver=True))

    await relay.until(lambda: len(heard.events) >= 2, "both are heard")
    assert {event["data"]["imp_uid"] for event in heard.events} == set(imp_uids)


async def test_a_payment_that_waits_for_its_deadline_is_found_silently_too(relay: Relay) -> None:
    """That a payment would be looked at tomorrow anyway does not make what is found today any louder."""
    await relay.merchant("waits")
    heard = await relay.subscribe("waits")
    account = {"imp_key": "key-waits", "pay_method": "vbank", "vbank_num": "123", "vbank_date": int(time.time()) + DAY}
    now = int(time.time())
    await relay.payment_at_iamport(imp_uid="imp_waits", status="ready", vbank_issued_at=now, **account)
    await relay.webhook("imp_waits", status="ready", path="/webhooks/waits")
    await relay.until(lambda: heard.types() == ["virtual_account_issued"], "it is issued")
    await relay.payment_at_iamport(imp_uid="imp_waits", status="paid", paid_at=now)

    run = await until_done(relay, await begin(relay, "waits"))

    assert run["repaired"] >= 1
    events = await relay.until_recorded("imp_waits", "virtual_account_issued", "paid", merchant="waits")
    assert [event["silent"] for event in events] == [False, True]
    assert heard.types() == ["virtual_account_issued"]


async def test_a_period_of_years(relay: Relay) -> None:
    """A period of years is walked in windows that i'mport takes, to its end, though that is in the future."""
    imp_uids = await shop(relay, "years", paid_at=int(time.time()) - 300 * DAY)
    await relay.forget_requests()

    until = rfc3339(time.time() + 400 * DAY)
    run = await until_done(relay, await begin(relay, "years", days=1000, until=until))

    assert (run["compared"], run["missing"], run["repaired"]) == (2, 2, 2)
    assert (await relay.payment(imp_uids[0], "years"))["status"] == "paid"
    assert len(await relay.asked("/payments/status/all")) <= 15


async def test_many_rows_and_a_worker_that_dies(relay: Relay) -> None:
    """Three thousand missing payments: pages of a thousand, windows halved, nothing lost with a killed worker."""
    await relay.merchant("many")
    imp_uids = set[str]()
    for _ in range(3):
        imp_uids |= set(await relay.play("lost-webhook", count=1000, merchant="many", imp_key="key-many"))
        # A window is halved at a second: not all of them may have been paid in the same one.
        await asyncio.sleep(1)
    await relay.forget_requests()
    run = await begin(relay, "many")
    await relay.until(lambda: _some_repaired(relay, run), "it is under way")
    await relay.worker.kill()
    relay.worker = relay.start_worker()

    row = await until_done(relay, run, within=120)

    assert row["compared"] >= 3000
    assert row["missing"] == row["repaired"] == 3000
    assert len(await relay.asked("/payments/status/all")) > 10
    events = await relay.list_all("/v1/events", merchant="many", type="payment.paid")
    found = [event["data"]["imp_uid"] for event in events]
    assert len(found) == 3000
    assert set(found) == imp_uids


async def test_z_a_ledger_rebuilt_from_nothing(relay: Relay) -> None:
    """An empty ledger is filled with the very same events, silently, under sequences above all that were used."""
    heard = await relay.subscribe()
    stories = {}
    for scenario in ("card", "virtual-account", "full-cancel-in-steps", "partial-cancel", "decimals"):
        (imp_uid,) = await relay.play(scenario, speed=10, imp_key="key")
        stories[imp_uid] = scenario
    await relay.until_idle()
    before = {imp_uid: await relay.events(imp_uid) for imp_uid in stories}
    assert (await relay.api.post("/v1/reconciliations", json=_rebuild())).status_code == 409
    await redis_of(relay.ledger).flushall()
    await relay.lose_history()
    await relay.worker.terminate()
    heard = await relay.subscribe()
    base = time.time() - 5

    answer = await relay.api.post("/v1/reconciliations", json=_rebuild())
    relay.worker = relay.start_worker()

    assert answer.status_code == 202, answer.text
    await until_done(relay, answer.json()["id"])
    for imp_uid, events in before.items():
        after = await relay.until(partial(_same_events, relay, imp_uid, events), "history has the same events")
        assert [event["data"]["status"] for event in events] == [event["data"]["status"] for event in after]
        assert all(event["silent"] for event in after)
        assert all(event["data"]["sequence"] > base for event in after)
    assert heard.events == []
    card = next(imp_uid for imp_uid, scenario in stories.items() if scenario == "card")
    assert (await relay.api.post(f"/v1/payments/{card}/cancellations", json={})).status_code == 200
    paid, last = await relay.until_recorded(card, "paid", "cancelled")
    await relay.until(lambda: heard.types() == ["cancelled"], "what is new is heard")
    assert last["data"]["sequence"] == paid["data"]["sequence"] + 1


async def _same_events(relay: Relay, imp_uid: str, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The payment's events, once their ids are those of `events`; a busy machine's history may be a moment behind."""
    found = await relay.events(imp_uid)
    return found if [event["id"] for event in found] == [event["id"] for event in events] else []


def _rebuild() -> dict[str, Any]:
    since, until = rfc3339(time.time() - DAY), rfc3339(time.time() + 60)
    return {"merchant": "default", "since": since, "until": until, "rebuild": True}


async def _some_repaired(relay: Relay, run: str) -> bool:
    return bool((await relay.api.get(f"/v1/reconciliations/{run}")).json()["repaired"] > 200)
