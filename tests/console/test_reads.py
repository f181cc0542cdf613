"""What operators read: payments, events, deliveries and notifications, as the machine left them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from schemas.endpoints.delivery import Dead, Delivered, Retry
from schemas.times import rfc3339
from tests.console.conftest import Console, on_each_database
from tests.support.machine import NOW, look_at, notify, payment, seen, send, taken_back
from tests.support.reasons import because


async def data(console: Console, path: str, **query: Any) -> list[dict[str, Any]]:
    """All rows of a list, page by page, two at a time."""
    rows: list[dict[str, Any]] = []
    while query.get("cursor", "first") is not None:
        answer = await console.call("GET", path, params={"limit": 2, **query})
        assert answer.status_code == 200, answer.text
        rows += answer.json()["data"]
        query["cursor"] = answer.json()["next_cursor"]
    return rows


async def test_a_payment_is_shown_with_its_story(console: Console) -> None:
    """Status, sums, i'mport's object and the events, amounts as the numbers they were."""
    await seen(console.ledger, "imp_1", amount=Decimal("10.5"), currency="USD")
    shown = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert (shown["merchant"], shown["merchant_uid"], shown["status"]) == ("default", "order_imp_1", "paid")
    assert (shown["amount"], shown["cancelled_amount"], shown["currency"]) == (10.5, 0, "USD")
    assert (shown["sequence"], shown["cancellations"]) == (1, [])
    assert shown["payment"]["buyer_name"] == "홍길동"
    assert shown["fetched_at"].endswith("Z")
    assert [(event["type"], event["silent"]) for event in shown["events"]] == [("payment.paid", False)]
    assert shown["events"][0]["data"]["amount"] == 10.5


@on_each_database
async def test_amounts_keep_their_digits(console: Console) -> None:
    """A number is answered digit for digit as i'mport wrote it, never as text or with an exponent."""
    await seen(console.ledger, "imp_1", amount=Decimal("10.50"))
    answer = await console.call("GET", "/v1/payments/imp_1")
    assert answer.text.count('"amount":10.50') >= 2


async def test_before_the_first_look_there_is_no_payment(console: Console) -> None:
    """A notification alone makes no payment; a payment of another merchant is not this one's."""
    await notify(console.ledger, "imp_1")
    assert (await console.call("GET", "/v1/payments/imp_1")).status_code == 404
    await look_at(console.ledger, {"imp_1": payment("imp_1")})
    assert (await console.call("GET", "/v1/payments/imp_1")).status_code == 200
    assert (await console.call("GET", "/v1/payments/imp_1?merchant=shop")).status_code == 404


@on_each_database
async def test_payments_are_found_by_merchant_order_and_status(console: Console) -> None:
    """Each filter alone and all together."""
    await console.call("PUT", "/v1/merchants/shop", {"imp_key": "k", "imp_secret": "s"})
    await seen(console.ledger, "imp_1", "imp_2", "imp_3")
    await seen(console.ledger, "imp_4", status="failed", paid_at=0, failed_at=5)
    await seen(console.ledger, "imp_5", merchant="shop", merchant_uid="order_imp_1")

    async def found(**query: Any) -> set[str]:
        return {row["imp_uid"] for row in await data(console, "/v1/payments", **query)}

    assert await found() == {"imp_1", "imp_2", "imp_3", "imp_4", "imp_5"}
    assert await found(merchant="shop") == {"imp_5"}
    assert await found(status="failed") == {"imp_4"}
    assert await found(status="paid", merchant="default") == {"imp_1", "imp_2", "imp_3"}
    assert await found(merchant_uid="order_imp_1") == {"imp_1", "imp_5"}
    assert await found(merchant_uid="order_imp_1", merchant="shop", status="paid") == {"imp_5"}
    assert await found(merchant_uid="order_imp_1", status="failed") == set()


@on_each_database
async def test_a_payment_of_a_list_has_what_it_has_alone(console: Console) -> None:
    """Its events, too, however many payments there are."""
    await seen(console.ledger, *(f"imp_{number}" for number in range(25)))
    rows = await data(console, "/v1/payments")
    assert len(rows) == 25
    for row in (rows[0], rows[-1]):
        assert [event["type"] for event in row["events"]] == ["payment.paid"]
        assert (await console.call("GET", f"/v1/payments/{row['imp_uid']}")).json() == row


@on_each_database
async def test_events_are_found_by_merchant_payment_type_and_time(console: Console) -> None:
    """Newest recorded first; the body is the callback's."""
    await seen(console.ledger, "imp_1", "imp_2")
    middle = await console.ledger.now() + 0.001
    await asyncio.sleep(0.01)
    cancelled: dict[str, Any] = {"cancel_amount": 1004, "status": "cancelled", "cancelled_at": 9}
    history = [{"amount": 1004, "cancelled_at": 9, "cancellation_id": "c", "pg_tid": "t", "reason": "r"}]
    await seen(console.ledger, "imp_1", cancel_history=history, **cancelled)

    async def found(**query: Any) -> list[tuple[str, str]]:
        return [(row["data"]["imp_uid"], row["type"]) for row in await data(console, "/v1/events", **query)]

    assert (await found())[0] == ("imp_1", "payment.cancelled")
    assert await found(imp_uid="imp_1") == [("imp_1", "payment.cancelled"), ("imp_1", "payment.paid")]
    assert await found(imp_uid="imp_1", merchant="default", type="payment.paid") == [("imp_1", "payment.paid")]
    assert sorted(await found(type="payment.paid")) == [("imp_1", "payment.paid"), ("imp_2", "payment.paid")]
    assert await found(since=rfc3339(middle)) == [("imp_1", "payment.cancelled")]
    assert await found(until=rfc3339(middle), imp_uid="imp_1") == [("imp_1", "payment.paid")]
    assert await found(merchant="nobody") == []
    one = (await console.call("GET", "/v1/events")).json()["data"][0]
    assert (await console.call("GET", f"/v1/events/{one['id']}")).json() == one
    assert set(one) == {"id", "type", "timestamp", "data", "recorded_at", "silent"}
    assert (await console.call("GET", "/v1/events/evt_nothing")).status_code == 404


@on_each_database
async def test_notifications_say_what_became_of_them(console: Console) -> None:
    """What a webhook reported, from where, and whether its refresh found anything new."""
    applied, rejected = await notify(console.ledger, "imp_1"), await notify(console.ledger, "imp_forged")
    await look_at(console.ledger, {"imp_1": payment("imp_1")})
    unchanged = await notify(console.ledger, "imp_1")
    await look_at(console.ledger, {"imp_1": payment("imp_1")})
    pending = await notify(console.ledger, "imp_1")
    rows = await data(console, "/v1/notifications")
    assert {row["id"]: row["outcome"] for row in rows} == {
        applied: "applied", rejected: "rejected", unchanged: "unchanged", pending: "pending"
    }  # fmt: skip
    forged = await data(console, "/v1/notifications", outcome="rejected")
    assert [(row["imp_uid"], row["reason"], row["source"]) for row in forged] == [
        ("imp_forged", "unknown to i'mport", "203.0.113.7")
    ]
    assert len(await data(console, "/v1/notifications", imp_uid="imp_1")) == 3
    assert len(await data(console, "/v1/notifications", imp_uid="imp_1", merchant="default", outcome="applied")) == 1
    assert await data(console, "/v1/notifications", merchant="nobody") == []
    assert (await console.call("GET", f"/v1/notifications/{rejected}")).json() == forged[0]
    assert (await console.call("GET", "/v1/notifications/ntf_none")).status_code == 404


async def test_notifications_show_what_else_the_body_held(console: Console) -> None:
    """Nested as it came and numbers as written; an empty object where the body held nothing else."""
    extra = b'{"event":"Some.Thing","extra":{"rows":[1,{"price":1.10}],"text":"\\u0000"}}'
    other, plain = await notify(console.ledger, "imp_1", extra=extra), await notify(console.ledger, "imp_1")
    answer = await console.call("GET", f"/v1/notifications/{other}")
    assert b'"price":1.10' in answer.content
    assert answer.json()["extra"] == {"event": "Some.Thing", "extra": {"rows": [1, {"price": 1.1}], "text": "\0"}}
    rows = {row["id"]: row["extra"] for row in await data(console, "/v1/notifications")}
    assert rows == {other: answer.json()["extra"], plain: {}}


async def test_an_escrow_event_is_found_by_its_type(console: Console) -> None:
    """An escrow change that was believed is listed as what it is, with what changed; the payment stays paid."""
    extra = b'{"event":"Inicis.Escrow.Changed","extra":{"escrow_status":"4","denied_reason":"too small"}}'
    await notify(console.ledger, "imp_1", extra=extra, verified=True)
    await look_at(console.ledger, {"imp_1": payment("imp_1", escrow=True)})
    (event,) = await data(console, "/v1/events", type="payment.escrow_changed")
    assert event["data"]["detail"]["escrow"] == {
        "status": "refused", "code": "4", "changed_at": None, "denied_reason": "too small"
    }  # fmt: skip
    assert (event["data"]["status"], event["data"]["sequence"]) == ("paid", 2)


@on_each_database
async def test_a_deliverys_attempts_are_shown(console: Console) -> None:
    """Pending before, due again with a reason after a failure, delivered in the end; every attempt is kept."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    event = (await data(console, "/v1/events"))[0]["id"]
    path = f"/v1/deliveries/{event}.{endpoint}"
    before = (await console.call("GET", path)).json()
    assert (before["state"], before["attempts"], before["type"]) == ("pending", [], "payment.paid")
    assert (before["event"], before["endpoint"], before["imp_uid"]) == (event, endpoint, "imp_1")
    assert (
        await send(console.ledger, endpoint, Retry(60, because("the last attempt answered 500")), status_code=500) == 1
    )
    waiting = (await console.call("GET", path)).json()
    assert (waiting["state"], waiting["reason"]) == ("pending", "the last attempt answered 500")
    assert waiting["next_attempt_at"] > before["next_attempt_at"]
    retried = await console.call("POST", f"{path}/retry")
    assert (retried.status_code, retried.json()["reason"]) == (200, "asked for by an operator")
    assert await send(console.ledger, endpoint, Delivered(), status_code=200, response="thanks") == 1
    after = (await console.call("GET", path)).json()
    assert (after["state"], after["next_attempt_at"], after["reason"]) == ("delivered", None, None)
    assert [(row["status_code"], row["response"], row["replay"]) for row in after["attempts"]] == [
        (500, "", False), (200, "thanks", False)
    ]  # fmt: skip


async def test_a_dead_delivery_can_be_retried(console: Console) -> None:
    """It is attempted once more, as is one that was delivered."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    assert await send(console.ledger, endpoint, Dead(because("dead after 1 attempt")), status_code=500) == 1
    [dead] = await data(console, "/v1/deliveries", state="dead")
    assert dead["reason"] == "dead after 1 attempt"
    for _ in range(2):
        retried = await console.call("POST", f"/v1/deliveries/{dead['id']}/retry")
        assert (retried.status_code, retried.json()["state"]) == (200, "pending")
        assert await data(console, "/v1/deliveries", state="dead") == []
        assert await send(console.ledger, endpoint, Delivered(), status_code=200) == 1
    assert (await console.call("POST", "/v1/deliveries/evt_x.ep_x/retry")).status_code == 404


@on_each_database
async def test_held_is_what_waits_at_a_disabled_endpoint(console: Console) -> None:
    """Disabling turns pending into held and enabling turns it back, in lists and for each; deleting discards."""
    first, second = [(await console.endpoint())["id"] for _ in range(2)]
    await seen(console.ledger, "imp_1", "imp_2", "imp_3")

    async def states(state: str, **query: Any) -> list[str]:
        rows = await data(console, "/v1/deliveries", state=state, **query)
        assert {row["state"] for row in rows} <= {state}
        return sorted(row["endpoint"] for row in rows)

    assert await states("pending") == sorted([first, second] * 3)
    await console.call("POST", f"/v1/endpoints/{first}/disable")
    assert await states("held") == [first] * 3
    assert await states("pending") == [second] * 3
    assert await states("held", endpoint=second) == []
    held, *_ = await data(console, "/v1/deliveries", state="held", endpoint=first)
    assert held["reason"] == "the endpoint is disabled: disabled by an operator"
    assert held["next_attempt_at"] is None
    assert (await console.call("POST", f"/v1/deliveries/{held['id']}/retry")).status_code == 409
    assert await send(console.ledger, first, Delivered(), status_code=200) == 0
    await console.call("POST", f"/v1/endpoints/{first}/enable")
    assert await states("held") == []
    assert await send(console.ledger, first, Delivered(), status_code=200) == 3
    await console.call("DELETE", f"/v1/endpoints/{second}")
    assert await states("discarded") == [second] * 3
    assert await states("delivered") == [first] * 3
    discarded, *_ = await data(console, "/v1/deliveries", state="discarded")
    assert (await console.call("POST", f"/v1/deliveries/{discarded['id']}/retry")).status_code == 409


@on_each_database
async def test_deliveries_of_an_event_and_of_an_endpoint(console: Console) -> None:
    """Filters by event, by endpoint and by both."""
    endpoints = [(await console.endpoint())["id"] for _ in range(3)]
    await seen(console.ledger, "imp_1", "imp_2")
    event = (await data(console, "/v1/events", imp_uid="imp_1"))[0]["id"]
    of_event = await data(console, "/v1/deliveries", event=event)
    assert sorted(row["endpoint"] for row in of_event) == sorted(endpoints)
    assert len(await data(console, "/v1/deliveries", endpoint=endpoints[0])) == 2
    [one] = await data(console, "/v1/deliveries", endpoint=endpoints[0], event=event, state="pending")
    assert one["id"] == f"{event}.{endpoints[0]}"
    assert await data(console, "/v1/deliveries", event=event, state="dead") == []
    assert await data(console, "/v1/deliveries", event="evt_x") == []
    assert await data(console, "/v1/deliveries", endpoint="ep_x") == []
    assert await data(console, "/v1/deliveries", endpoint="ep_x", state="pending") == []
    assert len(await data(console, "/v1/deliveries")) == 6


async def test_a_later_event_waits_for_the_one_before(console: Console) -> None:
    """At an ordered endpoint the second delivery of a payment says what it waits for, and is not sent before it."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1", status="failed", paid_at=0, failed_at=NOW - 5)
    await seen(console.ledger, "imp_1")
    later, earlier = await data(console, "/v1/deliveries")
    if later["type"] == "payment.failed":
        later, earlier = earlier, later
    assert (later["type"], earlier["type"]) == ("payment.paid", "payment.failed")
    assert (later["next_attempt_at"], earlier["id"] in later["reason"]) == (None, True)
    refused = await console.call("POST", f"/v1/deliveries/{later['id']}/retry")
    assert (refused.status_code, earlier["id"] in refused.json()["detail"]) == (409, True)
    explained = await console.call("GET", f"/v1/events/{later['event']}/explain?endpoint={endpoint}")
    assert (explained.json()["got"], earlier["id"] in explained.json()["reason"]) == ("not yet", True)


async def test_explanations(console: Console) -> None:
    """Every reason why an endpoint has or has not got an event has its own words."""
    await console.call("PUT", "/v1/merchants/shop", {"imp_key": "k", "imp_secret": "s"})
    ok = (await console.endpoint())["id"]
    other_type = (await console.endpoint(types=["payment.failed"]))["id"]
    other_merchant = (await console.endpoint(merchant="shop"))["id"]
    disabled = (await console.endpoint())["id"]
    await console.call("POST", f"/v1/endpoints/{disabled}/disable")
    await seen(console.ledger, "imp_1")
    await send(console.ledger, ok, Delivered(), status_code=200)
    await asyncio.sleep(0.01)
    late = (await console.endpoint())["id"]
    late_other_type = (await console.endpoint(types=["payment.failed"]))["id"]
    event = (await data(console, "/v1/events"))[0]["id"]

    async def why(endpoint: str) -> tuple[str, str]:
        explained = (await console.call("GET", f"/v1/events/{event}/explain?endpoint={endpoint}")).json()
        return explained["got"], explained["reason"]

    for endpoint, got, words in (
        (ok, "yes", "delivered at"),
        (other_type, "no", "does not subscribe to payment.paid"),
        (other_merchant, "no", "of merchant shop"),
        (disabled, "not yet", "disabled by an operator"),
        (late, "no", "a replay sends it"),
        (late_other_type, "no", "does not subscribe to payment.paid"),
    ):
        answer = await why(endpoint)
        assert (answer[0], words in answer[1]) == (got, True), answer
    assert (await console.call("GET", f"/v1/events/{event}/explain?endpoint=ep_x")).status_code == 404
    assert (await console.call("GET", f"/v1/events/{event}/explain")).status_code == 422


async def test_a_silent_event_is_listed_and_not_delivered(console: Console) -> None:
    """A fact from before the merchant was added is recorded without delivery, and that is explained."""
    endpoint = (await console.endpoint())["id"]
    await notify(console.ledger, "imp_1")
    await look_at(console.ledger, {"imp_1": payment("imp_1")}, since=2e9)
    [event] = await data(console, "/v1/events")
    assert event["silent"] is True
    assert await data(console, "/v1/deliveries") == []
    explained = await console.call("GET", f"/v1/events/{event['id']}/explain?endpoint={endpoint}")
    assert "silently" in explained.json()["reason"]


async def test_stats_count_what_waits(console: Console) -> None:
    """Refreshes and deliveries that are due, dead and held ones, and each endpoint's health."""
    first, second = [(await console.endpoint())["id"] for _ in range(2)]
    await seen(console.ledger, "imp_1", "imp_2")
    await console.call("POST", f"/v1/endpoints/{second}/disable")
    await send(console.ledger, first, Dead(because("dead")), status_code=500)
    await seen(console.ledger, "imp_4")
    await notify(console.ledger, "imp_5")
    stats = (await console.call("GET", "/v1/stats")).json()
    assert stats["refresh"]["due"] == 1
    assert stats["refresh"]["oldest_due_seconds"] >= 0
    assert {name: stats["deliveries"][name] for name in ("pending", "dead", "held")} == {
        "pending": 1, "dead": 2, "held": 3
    }  # fmt: skip
    health = {row["id"]: row["success_rate"] for row in stats["endpoints"]}
    assert health == {first: 0.0, second: None}
    assert stats["redis"] == {"durable": True, "reasons": [], "reason_codes": []}
    metrics = (await console.call("GET", "/metrics")).text
    assert "relay_deliveries_held 3.0" in metrics


@pytest.mark.parametrize("amount", ["1004", True, 0, -5, None, 1e30])
async def test_an_expectation_is_a_positive_number(console: Console, amount: Any) -> None:
    """Anything else is 422."""
    assert (await console.call("PUT", "/v1/orders/order_1", {"amount": amount})).status_code == 422


async def test_what_an_order_should_cost_is_compared_at_the_next_look(console: Console) -> None:
    """The expected amount is stored, and the order's payments are refreshed; a number may contain a slash."""
    uid = "2026/11/주문 1"
    await seen(console.ledger, "imp_1", merchant_uid=uid)
    answer = await console.call("PUT", "/v1/orders/2026%2F11%2F%EC%A3%BC%EB%AC%B8%201", {"amount": 10.5})
    assert answer.status_code == 200
    assert answer.json() == {"merchant": "default", "merchant_uid": uid, "amount": 10.5, "currency": None}
    expected = await console.ledger.refresh_lane.expected("default", [uid])
    assert str(expected.amounts[uid].amount) == "10.5"
    assert (await console.call("GET", "/v1/stats")).json()["refresh"]["due"] == 1
    elsewhere = await console.call("PUT", "/v1/orders/o?merchant=nobody", {"amount": 1})
    assert elsewhere.status_code == 404


async def test_what_i_mport_no_longer_bears_out_is_named(console: Console) -> None:
    """The object is i'mport's word now, the events that say more are named, and nothing else has changed."""
    await taken_back(console.ledger, "imp_1")
    shown = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert (shown["payment"]["status"], shown["payment"]["cancel_amount"]) == ("paid", 0)
    assert (shown["status"], shown["cancelled_amount"], shown["sequence"]) == ("cancelled", 1004, 2)
    paid, cancelled = shown["events"]
    assert (paid["type"], cancelled["type"]) == ("payment.paid", "payment.cancelled")
    assert shown["contradicts"] == [cancelled["id"]]
    await seen(console.ledger, "imp_2")
    assert (await console.call("GET", "/v1/payments/imp_2")).json()["contradicts"] == []


@on_each_database
async def test_a_payment_of_a_long_history_has_as_many_events_as_can_be_read(console: Console) -> None:
    """The latest of them; the list of events has the others, a page after the other."""
    rows = [{"pg_tid": f"d{n}", "amount": 1, "depositor_name": "x" * 100, "deposited_at": NOW + n} for n in range(400)]
    await seen(console.ledger, "imp_1", amount=0, pay_method="vbank", deposit_history=rows)
    shown = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert 10 < len(shown["events"]) < 200
    assert shown["events"][-1]["data"]["sequence"] == shown["sequence"] == 400
    listed: list[int] = []
    query: dict[str, Any] = {"imp_uid": "imp_1", "limit": 200}
    while query.get("cursor", "first") is not None:
        page = (await console.call("GET", "/v1/events", params=query)).json()
        listed += [row["data"]["sequence"] for row in page["data"]]
        query["cursor"] = page["next_cursor"]
    assert listed == list(range(400, 0, -1))
