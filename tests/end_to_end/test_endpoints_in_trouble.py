"""Endpoints that fail, are gone, and come back: what happens to their deliveries, and what operators hear."""

from __future__ import annotations

from typing import Any

from schemas import wire
from tests.end_to_end.conftest import StartStack
from tests.support.stack import Stack
from tests.support.subscribers import Behaviour, Subscriber
from tests.workers.catalogue import CATALOGUE, status

OPERATORS = ["endpoint.failing", "endpoint.disabled", "endpoint.recovered"]


async def states(stack: Stack, endpoint: str) -> list[str]:
    """The states of an endpoint's deliveries, sorted."""
    rows = (await stack.api.get("/v1/deliveries", params={"endpoint": endpoint, "limit": 200})).json()["data"]
    return sorted(row["state"] for row in rows)


async def shown(stack: Stack, endpoint: str) -> dict[str, Any]:
    """An endpoint as the API shows it."""
    row: dict[str, Any] = (await stack.api.get(f"/v1/endpoints/{endpoint}")).json()
    return row


def told(stack: Stack) -> list[str]:
    """What operators have heard so far."""
    return [event["type"] for event in stack.heard.events]


async def test_gone_means_disabled_and_held(stack: Stack) -> None:
    """410 disables: what follows is held, operators hear of it at another endpoint, enabling delivers all of it."""
    watching = await stack.endpoint(types=["*"])
    async with Subscriber(CATALOGUE["gone"], times=1) as gone:
        endpoint = (await stack.endpoint(url=f"{gone.url}?token=secret", types=["*"], ordered=False))["id"]
        await stack.play("card")
        await stack.until(lambda: _is(stack, endpoint, "disabled"), "it is disabled")
        await stack.play("card")
        await stack.until(lambda: _has(stack, endpoint, ["held", "held"]), "both are held")

        row = await shown(stack, endpoint)
        assert row["disabled_reason"] == "answered 410 (gone)"
        await stack.until(lambda: "endpoint.disabled" in told(stack), "operators hear of it")
        event = next(event for event in stack.heard.events if event["type"] == "endpoint.disabled")
        assert {"merchant": "default", "endpoint": endpoint, "url": gone.url, "state": "disabled"}.items() <= event[
            "data"
        ].items()
        assert "410" in event["data"]["reason"]
        assert b"secret" not in wire.dumps(event)
        stack.heard.verify(watching["secret"])
        listed = (await stack.api.get("/v1/events", params={"type": "endpoint.disabled"})).json()["data"]
        assert [event["id"]] == [row["id"] for row in listed]
        said = (await stack.api.get(f"/v1/events/{event['id']}/explain", params={"endpoint": endpoint})).json()
        assert (said["got"], said["reason"]) == ("no", "an endpoint never hears of itself")

        await stack.api.post(f"/v1/endpoints/{endpoint}/enable")
        await stack.until(lambda: _has(stack, endpoint, ["delivered", "delivered"]), "both are delivered")
        await stack.until(lambda: "endpoint.recovered" in told(stack), "operators hear of that too")
        assert await _codes(stack, endpoint) == [410, 200]


async def test_nothing_but_failures_disable(start_stack: StartStack) -> None:
    """An endpoint that only fails is told of as failing, then disabled with the reason; enabled, it recovers."""
    stack = await start_stack(RELAY_DISABLE_AFTER="2s", RELAY_RETRY_SCHEDULE="300ms,300ms,300ms,300ms,300ms,300ms,60s")
    await stack.endpoint(types=OPERATORS)
    async with Subscriber(CATALOGUE["error_500"]) as failing:
        endpoint = (await stack.endpoint(url=failing.url, max_in_flight=25))["id"]
        await stack.play("card", count=25)
        await stack.until(lambda: "endpoint.disabled" in told(stack), "it is disabled")
        assert told(stack) == ["endpoint.failing", "endpoint.disabled"]
        first, second = (event["data"] for event in stack.heard.events)
        assert first["failing_since"] == second["failing_since"]
        assert second["failures"] >= 20
        row = await shown(stack, endpoint)
        assert ("disabled", second["reason"]) == (row["state"], row["disabled_reason"])
        assert "answered 500" in row["disabled_reason"]
        assert {"held"} == set(await states(stack, endpoint))

        failing.behaviour = CATALOGUE["ok"]
        await stack.api.post(f"/v1/endpoints/{endpoint}/enable")
        await stack.until(lambda: "endpoint.recovered" in told(stack), "it recovers")
        await stack.play("card")
        await stack.until(lambda: _delivered(stack, endpoint, 1), "it gets what is new")
    assert told(stack) == ["endpoint.failing", "endpoint.disabled", "endpoint.recovered"]


async def test_a_pause_ends_when_its_cause_is_gone(stack: Stack) -> None:
    """An endpoint asks for a day of peace. A test and a retry by hand are sent all the same and answer with what it
    says; a new URL ends the day, for what waits and for what comes."""
    async with Subscriber(_busy(86400)) as busy, Subscriber(CATALOGUE["ok"]) as well:
        endpoint = (await stack.endpoint(url=busy.url))["id"]
        await stack.play("card")
        await busy.received(1)
        await stack.until(lambda: _said(stack, endpoint, "asked for a pause"), "the lane waits")
        (waiting,) = (await stack.api.get("/v1/deliveries", params={"endpoint": endpoint})).json()["data"]

        tested = (await stack.api.post(f"/v1/endpoints/{endpoint}/test")).json()
        assert (tested["status_code"], tested["error"]) == (429, None)
        await stack.api.post(f"/v1/deliveries/{waiting['id']}/retry")
        await busy.received(3)
        await stack.play("card")
        await stack.api.post(f"/v1/endpoints/{endpoint}/disable")
        assert (await stack.api.post(f"/v1/endpoints/{endpoint}/test")).json()["status_code"] == 429
        await stack.api.post(f"/v1/endpoints/{endpoint}/enable")
        await stack.until(lambda: _said(stack, endpoint, "asked for a pause"), "it is tried, and asks once more")

        await stack.api.patch(f"/v1/endpoints/{endpoint}", json={"url": well.url})
        await stack.until(lambda: _delivered(stack, endpoint, 2), "both are delivered")


async def test_a_good_test_ends_the_pause(stack: Stack) -> None:
    """What the endpoint put off for a day goes as soon as it has taken a test."""
    async with Subscriber(_busy(86400), times=1) as busy:
        endpoint = (await stack.endpoint(url=busy.url))["id"]
        await stack.play("card")
        await stack.until(lambda: _said(stack, endpoint, "asked for a pause"), "the lane waits")
        assert (await stack.api.post(f"/v1/endpoints/{endpoint}/test")).json()["status_code"] == 200
        await stack.until(lambda: _delivered(stack, endpoint, 2), "the delivery is delivered, and so was the test")


def _busy(seconds: int) -> Behaviour:
    return Behaviour("busy", status(429, b"", f"Retry-After: {seconds}"), "again", 429)


async def _said(stack: Stack, endpoint: str, words: str) -> bool:
    rows = (await stack.api.get("/v1/deliveries", params={"endpoint": endpoint})).json()["data"]
    return any(words in (row["reason"] or "") for row in rows)


async def _is(stack: Stack, endpoint: str, state: str) -> bool:
    return bool((await shown(stack, endpoint))["state"] == state)


async def _has(stack: Stack, endpoint: str, expected: list[str]) -> bool:
    return await states(stack, endpoint) == expected


async def _delivered(stack: Stack, endpoint: str, least: int) -> bool:
    return (await states(stack, endpoint)).count("delivered") >= least


async def _codes(stack: Stack, endpoint: str) -> list[int]:
    rows = (await stack.api.get("/v1/deliveries", params={"endpoint": endpoint})).json()["data"]
    return [attempt["status_code"] for attempt in rows[-1]["attempts"]]
