"""Lanes, end to end: order for one payment, a stuck head, Retry-After, and every wait explained in words."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from schemas import wire
from tests.support.http_server import Connection
from tests.support.relay import Relay
from tests.support.relay_fixtures import StartRelay
from tests.support.subscribers import Behaviour, Subscriber
from tests.workers.catalogue import status


def deciding(answer: Callable[[dict[str, Any]], int], *headers: str) -> Subscriber:
    """A subscriber whose status depends on the event; whatever is not 200 has these headers."""

    async def play(connection: Connection) -> None:
        code = answer(wire.loads(subscriber.requests[-1].body))
        await status(code, b"", *(headers if code != 200 else ()))(connection)

    subscriber = Subscriber(Behaviour("deciding", play, "delivered"))
    return subscriber


def heard(subscriber: Subscriber, imp_uid: str | None = None) -> list[str]:
    """The types a subscriber was sent, attempt by attempt, of one payment or of all."""
    events = [wire.loads(request.body) for request in subscriber.requests]
    return [event["type"][8:] for event in events if imp_uid in (None, event["data"]["imp_uid"])]


async def pay_and_cancel(relay: Relay, imp_uid: str) -> None:
    """Two events of one payment, each caused by one webhook."""
    now = int(time.time())
    row = {"imp_uid": imp_uid, "status": "paid", "paid_at": now, "amount": 1000}
    await relay.payment_at_iamport(**row)
    await relay.webhook(imp_uid)
    await relay.until(lambda: relay.payment(imp_uid), "it is known")
    entry = {"cancellation_id": f"can_{imp_uid}", "pg_tid": f"tid_{imp_uid}", "amount": 1000, "cancelled_at": now + 1}
    await relay.payment_at_iamport(**row | {"status": "cancelled", "cancel_amount": 1000, "cancel_history": [entry]})
    await relay.webhook(imp_uid, "cancelled")


async def delivery(relay: Relay, endpoint: str, imp_uid: str, kind: str) -> dict[str, Any]:
    """The delivery of a payment's event to an endpoint; empty while there is none."""
    rows = (await relay.api.get("/v1/deliveries", params={"endpoint": endpoint, "limit": 200})).json()["data"]
    found = [row for row in rows if (row["imp_uid"], row["type"]) == (imp_uid, f"payment.{kind}")]
    return found[0] if found else {}


async def in_state(relay: Relay, endpoint: str, imp_uid: str, kind: str, state: str) -> dict[str, Any]:
    """Wait until that delivery is in this state; gives it."""

    async def there() -> dict[str, Any]:
        row = await delivery(relay, endpoint, imp_uid, kind)
        return row if row.get("state") == state else {}

    row: dict[str, Any] = await relay.until(there, f"{kind} of {imp_uid} is {state}")
    return row


async def why(relay: Relay, row: dict[str, Any]) -> str:
    """What `explain` says of a delivery."""
    answer = await relay.api.get(f"/v1/events/{row['event']}/explain", params={"endpoint": row["endpoint"]})
    said: str = answer.json()["reason"]
    return said


async def test_a_stuck_head_holds_only_its_payment(start_relay: StartRelay) -> None:
    """What follows a failing event waits for it, other payments do not; once it is dead the next goes and says so."""
    relay = await start_relay(RELAY_RETRY_SCHEDULE="1h")
    healed = False

    def stuck_head(event: dict[str, Any]) -> int:
        is_head = (event["data"]["imp_uid"], event["type"]) == ("imp_x", "payment.paid")
        return 500 if is_head and not healed else 200

    stuck = deciding(stuck_head)
    at_once = deciding(lambda event: 500 if event["type"] == "payment.paid" else 200)
    async with stuck, at_once:
        ordered = (await relay.endpoint(url=stuck.url))["id"]
        unordered = (await relay.endpoint(url=at_once.url, ordered=False))["id"]
        await pay_and_cancel(relay, "imp_x")
        await pay_and_cancel(relay, "imp_y")

        await in_state(relay, ordered, "imp_y", "cancelled", "delivered")
        assert heard(stuck, "imp_y") == ["paid", "cancelled"]
        waiting = await in_state(relay, ordered, "imp_x", "cancelled", "pending")
        assert waiting["attempts"] == []
        assert "an earlier event of the same payment" in await why(relay, waiting)
        await in_state(relay, unordered, "imp_x", "cancelled", "delivered")

        failed = await in_state(relay, ordered, "imp_x", "paid", "pending")
        await relay.api.post(f"/v1/deliveries/{failed['id']}/retry")
        head = await in_state(relay, ordered, "imp_x", "paid", "dead")
        assert "dead after 2 attempts" in await why(relay, head)
        following = await in_state(relay, ordered, "imp_x", "cancelled", "delivered")
        assert head["id"] in following["reason"]
        assert heard(stuck, "imp_x") == ["paid", "paid", "cancelled"]

        healed = True
        await relay.api.post(f"/v1/deliveries/{head['id']}/retry")
        retried = await in_state(relay, ordered, "imp_x", "paid", "delivered")
        assert "delivered at" in await why(relay, retried)
        assert len(retried["attempts"]) == 3


async def test_retry_after_holds_the_whole_lane(start_relay: StartRelay) -> None:
    """After 429 with Retry-After nothing goes to that endpoint for so long, whatever the payment; others go on."""
    relay = await start_relay(RELAY_RETRY_SCHEDULE="100ms,100ms,100ms")
    times: list[float] = []

    def busy_at_first(_: dict[str, Any]) -> int:
        times.append(time.monotonic())
        return 429 if len(times) == 1 else 200

    busy = deciding(busy_at_first, "Retry-After: 10")
    async with busy:
        endpoint = (await relay.endpoint(url=busy.url))["id"]
        await relay.endpoint()
        (first,) = await relay.play("card")
        waiting = await relay.until(lambda: _asked(relay, endpoint, first), "it asks for a pause")
        (second,) = await relay.play("card")

        await relay.until(lambda: len(relay.subscriber.requests) == 2, "the other endpoint has both")
        assert len(times) == 1
        later = await in_state(relay, endpoint, second, "paid", "pending")
        assert "Retry-After" in await why(relay, waiting)
        assert "Retry-After" in await why(relay, later)
        assert waiting["attempts"][0]["status_code"] == 429
        for imp_uid in (first, second):
            await in_state(relay, endpoint, imp_uid, "paid", "delivered")
        assert times[1] - times[0] >= 9.9


async def _asked(relay: Relay, endpoint: str, imp_uid: str) -> dict[str, Any]:
    row = await delivery(relay, endpoint, imp_uid, "paid")
    return row if row.get("attempts") else {}


async def test_the_breaker_waits_and_burns_no_attempts(start_relay: StartRelay) -> None:
    """Five failures open the breaker, and it says so; what comes meanwhile is delivered later, at its first attempt."""
    relay = await start_relay(RELAY_RETRY_SCHEDULE="10s,10s,10s,10s")  # and so long the breaker waits
    healed = False
    failing = deciding(lambda _event: 200 if healed else 503)
    async with failing:
        endpoint = (await relay.endpoint(url=failing.url, max_in_flight=5, rate_limit=1000))["id"]
        await asyncio.gather(*(relay.play("card") for _ in range(5)))

        async def is_open() -> bool:
            return bool((await relay.api.get(f"/v1/endpoints/{endpoint}")).json()["breaker"] == "open")

        await relay.until(is_open, "five have failed")
        (late,) = await relay.play("card")
        row = await in_state(relay, endpoint, late, "paid", "pending")
        assert "the circuit breaker is open until" in await why(relay, row)

        healed = True
        row = await in_state(relay, endpoint, late, "paid", "delivered")
        assert [attempt["status_code"] for attempt in row["attempts"]] == [200]
