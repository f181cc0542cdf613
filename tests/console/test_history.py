"""Lists come from history: what they wait for, and what they say while it is behind or away; what left the ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from history.connection import Sqlite
from schemas.endpoints.delivery import Dead, Delivered
from schemas.errors import HistoryUnavailable
from schemas.reasons import Reason
from tests.console.conftest import Console, on_each_database, running
from tests.support.histories import make_tables
from tests.support.ledger_driver import Driver
from tests.support.machine import look_at, notify, payment, seen, send
from workers.recorder import Pace

LISTS = ("payments", "events", "deliveries", "notifications", "merchants", "endpoints", "replays", "reconciliations")


@pytest.fixture
async def console(redis_url: str, history_url: str) -> AsyncIterator[Console]:
    """A console with an empty ledger, and a recorder that notices at once that it no longer leads."""
    await make_tables(history_url)
    async with running(redis_url, {"RELAY_HISTORY_URL": history_url}, pace=Pace(lead_for=0.0)) as console:
        yield console


async def stall(console: Console) -> None:
    """Nothing is recorded any more: another recorder, which does nothing, leads."""
    await Driver(console.ledger).lead("record", "another")
    await asyncio.sleep(0.1)  # for what was under way


def take_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """History's database cannot be used any more."""

    async def fails(*_: object) -> Any:
        raise HistoryUnavailable(Reason.of("history_unreliable", error="disk I/O error"))

    monkeypatch.setattr(Sqlite, "_run", fails)


async def forget(console: Console) -> None:
    """Everything that belongs to payments leaves the ledger, which history has by then."""
    await console.call("GET", "/v1/payments")
    await Driver(console.ledger).forget_all_payments()


async def test_a_list_shows_what_was_just_written(console: Console) -> None:
    """However often: it waits until history has what the ledger had."""
    for number in range(5):
        await seen(console.ledger, f"imp_{number}")
        answer = await console.call("GET", "/v1/payments")
        assert len(answer.json()["data"]) == number + 1
        assert "relay-history-behind" not in answer.headers


@pytest.mark.parametrize("name", LISTS)
async def test_a_list_that_could_not_wait_says_so(console: Console, name: str) -> None:
    """After a second it answers with what history has, and by how much that is behind."""
    await stall(console)
    began = time.monotonic()
    await notify(console.ledger, "imp_1")
    answer = await console.call("GET", f"/v1/{name}")
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert 0.9 <= float(answer.headers["relay-history-behind"]) <= time.monotonic() - began + 0.1


async def test_a_notification_that_history_lacks_is_shown(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind or away: whoever was given an id finds what it stands for, with the time at which it came."""
    await stall(console)
    identity = await notify(console.ledger, "imp_1")
    shown = (await console.call("GET", f"/v1/notifications/{identity}")).json()
    assert (shown["outcome"], shown["imp_uid"]) == ("pending", "imp_1")
    assert shown["received_at"] > "2020"
    await look_at(console.ledger, {})
    assert (await console.call("GET", f"/v1/notifications/{identity}")).json()["outcome"] == "rejected"
    take_away(monkeypatch)
    assert (await console.call("GET", f"/v1/notifications/{identity}")).json()["outcome"] == "rejected"
    assert (await console.call("GET", "/v1/notifications/ntf_none")).status_code == 503


async def test_stats_tell_how_far_history_is(console: Console) -> None:
    """Whether it can be read, for how long the oldest change has waited, and how many wait."""
    await console.call("GET", "/v1/payments")
    well = (await console.call("GET", "/v1/stats")).json()["history"]
    assert (well["available"], well["waiting"], well["reason"]) == (True, 0, None)
    await stall(console)
    began = time.monotonic()
    await notify(console.ledger, "imp_1")
    await asyncio.sleep(0.1)
    behind = (await console.call("GET", "/v1/stats")).json()["history"]
    assert (behind["available"], behind["waiting"]) == (True, 1)
    assert 0.1 <= behind["behind_seconds"] <= time.monotonic() - began + 0.1
    assert "relay_history_waiting 1.0" in (await console.call("GET", "/metrics")).text


@pytest.mark.parametrize("name", LISTS)
async def test_lists_are_503_while_history_is_away(
    console: Console, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """With the time to come back, and the reason."""
    take_away(monkeypatch)
    answer = await console.call("GET", f"/v1/{name}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "disk I/O error" in answer.json()["detail"]


async def test_everything_else_works_while_history_is_away(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """New replays do not: they are chosen from history. The console is ready, and says what is wrong."""
    endpoint = await console.endpoint()
    await seen(console.ledger, "imp_1")
    event = (await console.call("GET", "/v1/events")).json()["data"][0]["id"]
    take_away(monkeypatch)
    for path in (
        "/v1/payments/imp_1", f"/v1/events/{event}", f"/v1/deliveries/{event}.{endpoint['id']}",
        f"/v1/events/{event}/explain?endpoint={endpoint['id']}", f"/v1/endpoints/{endpoint['id']}",
        "/v1/merchants/default", "/readyz",
    ):  # fmt: skip
        assert (await console.call("GET", path)).status_code == 200, path
    assert (await console.call("PATCH", f"/v1/endpoints/{endpoint['id']}", {"description": "x"})).status_code == 200
    for body in ({}, {"dry_run": True}):
        refused = await console.call("POST", "/v1/replays", body)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    state = (await console.call("GET", "/v1/stats")).json()["history"]
    assert (state["available"], state["reason_code"]) == (False, "history_unreliable")
    assert (await console.call("GET", "/readyz")).json()["history"]["available"] is False
    metrics = (await console.call("GET", "/metrics")).text
    assert "relay_history_available 0.0" in metrics
    assert "relay_history_behind_seconds" in metrics


@on_each_database
async def test_what_has_left_the_ledger_is_found(console: Console) -> None:
    """Alone as in a list, a payment with its events, and explained like any other."""
    endpoint = (await console.endpoint())["id"]
    notification = await notify(console.ledger, "imp_1")
    await look_at(console.ledger, {"imp_1": payment("imp_1")})
    await send(console.ledger, endpoint, Delivered(), status_code=200, response="thanks")
    replay = (await console.call("POST", "/v1/replays", {"only": "all"})).json()["id"]
    window = {"merchant": "default", "since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z"}
    run = (await console.call("POST", "/v1/reconciliations", window)).json()["id"]
    event = (await console.call("GET", "/v1/events")).json()["data"][0]["id"]
    paths = [
        "/v1/payments/imp_1", f"/v1/events/{event}", f"/v1/deliveries/{event}.{endpoint}",
        f"/v1/notifications/{notification}", f"/v1/replays/{replay}", f"/v1/reconciliations/{run}",
        f"/v1/events/{event}/explain?endpoint={endpoint}",
    ]  # fmt: skip
    before = [(await console.call("GET", path)).json() for path in paths]
    await forget(console)
    for path, shown in zip(paths, before, strict=True):
        assert (await console.call("GET", path)).json() == shown, path
    for name, shown in zip(("payments", "events", "deliveries", "notifications"), before, strict=False):
        assert (await console.call("GET", f"/v1/{name}")).json()["data"] == [shown], name
    assert (await console.call("GET", "/v1/payments/imp_none")).status_code == 404


@on_each_database
async def test_a_list_has_what_a_single_one_has(console: Console) -> None:
    """Deliveries in every state, with what only the ledger knows of those that wait."""
    ids = [(await console.endpoint(url=f"http://127.0.0.1:9/{number}"))["id"] for number in range(4)]
    await seen(console.ledger, "imp_1")
    await send(console.ledger, ids[0], Delivered(), status_code=200)
    why = Reason.of("attempts_exhausted", Reason.of("http_answer", status=500), attempts=1)
    await send(console.ledger, ids[1], Dead(why), status_code=500)
    await console.call("POST", f"/v1/endpoints/{ids[2]}/disable")
    await seen(console.ledger, "imp_1", cancel_amount=1004, status="cancelled", cancelled_at=9, cancel_history=[
        {"amount": 1004, "cancelled_at": 9, "cancellation_id": "c", "pg_tid": "t", "reason": "r"}
    ])  # fmt: skip
    rows = (await console.call("GET", "/v1/deliveries")).json()["data"]
    assert {row["state"] for row in rows} == {"delivered", "dead", "held", "pending"}
    for row in rows:
        assert (await console.call("GET", f"/v1/deliveries/{row['id']}")).json() == row
    await console.call("DELETE", f"/v1/endpoints/{ids[3]}")
    for row in (await console.call("GET", "/v1/deliveries", params={"endpoint": ids[3]})).json()["data"]:
        assert (row["state"], row["reason_code"]) == ("discarded", "endpoint_deleted")
        assert (await console.call("GET", f"/v1/deliveries/{row['id']}")).json() == row


@on_each_database
async def test_deliveries_are_found_by_merchant_and_type(console: Console) -> None:
    """And by the time at which they were queued."""
    await console.endpoint()
    await seen(console.ledger, "imp_1")

    async def found(**query: Any) -> int:
        return len((await console.call("GET", "/v1/deliveries", params=query)).json()["data"])

    assert await found(merchant="default", type="payment.paid", since="2026-01-01T00:00:00Z") == 1
    assert (await found(merchant="nobody"), await found(type="payment.failed")) == (0, 0)
    assert await found(until="2026-01-01T00:00:00Z") == 0
    assert (await console.call("GET", "/v1/deliveries?type=payment.made")).status_code == 422


@pytest.mark.parametrize("name", LISTS)
async def test_a_window_and_a_cursor_have_to_make_sense(console: Console, name: str) -> None:
    """A window that ends before it begins, and a cursor that is of another list or of none, are 422."""
    await seen(console.ledger, "imp_1", "imp_2")
    other = "events" if name != "events" else "payments"
    cursor = (await console.call("GET", f"/v1/{other}?limit=1")).json()["next_cursor"]
    for query in (
        {"since": "2026-11-02T00:00:00Z", "until": "2026-11-01T00:00:00Z"}, {"cursor": cursor}, {"cursor": "bWFuZw"}
    ):  # fmt: skip
        refused = await console.call("GET", f"/v1/{name}", params=query)
        assert (refused.status_code, len(refused.json()["errors"])) == (422, 1), (name, query)


@on_each_database
async def test_automatic_reconciliations_are_not_listed(console: Console) -> None:
    """They run every few minutes; the list has what operators asked for."""
    await console.call("PUT", "/v1/merchants/shop", {"imp_key": "k", "imp_secret": "s"})
    await console.ledger.reconciliations.schedule("shop", due_in=0)
    run = await automatic(console)
    assert (await console.call("GET", "/v1/reconciliations")).json()["data"] == []
    assert (await console.call("GET", f"/v1/reconciliations/{run}")).status_code == 404


async def automatic(console: Console) -> str:
    """A run as a worker stores it; its id, as part of an address."""
    from ledger.constants import AUTO
    from ledger.reconciliations import Reconciliation

    await console.ledger.reconciliations.save(Reconciliation(f"{AUTO}shop", "shop", 0, 1))
    return f"{AUTO}shop".replace("/", "%2F")
