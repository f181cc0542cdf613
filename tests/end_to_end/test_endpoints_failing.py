"""Endpoints that fail, are gone, and come back: what happens to their deliveries, and what operators hear."""

from __future__ import annotations

from typing import Any

from schemas import wire
from tests.support.relay import Relay
from tests.support.relay_fixtures import StartRelay
from tests.support.subscribers import Behaviour, Subscriber
from tests.workers.catalogue import CATALOGUE, status

OPERATORS = ["endpoint.failing", "endpoint.disabled", "endpoint.recovered"]


async def states(relay: Relay, endpoint: str) -> list[str]:
    """The states of an endpoint's deliveries, sorted."""
    rows = (await relay.api.get("/v1/deliveries", params={"endpoint": endpoint, "limit": 200})).json()["data"]
    return sorted(row["state"] for row in rows)


async def shown(relay: Relay, endpoint: str) -> dict[str, Any]:
    """An endpoint as the API shows it."""
    row: dict[str, Any] = (await relay.api.get(f"/v1/endpoints/{endpoint}")).json()
    return row


def told(relay: Relay) -> list[str]:
    """What operators have heard so far."""
    return [event["type"] for event in relay.subscriber.events]


async def test_gone_means_disabled_and_held(relay: Relay) -> None:
    """410 disables: what follows is held, operators hear of it at another endpoint, enabling delivers all of it."""
    watching = await relay.endpoint(types=["*"])
    async with Subscriber(CATALOGUE["gone"], times=1) as gone:
        endpoint = (await relay.endpoint(url=f"{gone.url}?token=secret", types=["*"], ordered=False))["id"]
        await relay.play("card")
        await relay.until(lambda: _is(relay, endpoint, "disabled"), "it is disabled")
        await relay.play("card")
        await relay.until(lambda: _has(relay, endpoint, ["held", "held"]), "both are held")

        row = await shown(relay, endpoint)
        assert row["disabled_reason"] == "answered 410 (gone)"
        await relay.until(lambda: "endpoint.disabled" in told(relay), "operators hear of it")
        event = next(event for event in relay.subscriber.events if event["type"] == "endpoint.disabled")
        assert {"merchant": "default", "endpoint": endpoint, "url": gone.url, "state": "disabled"}.items() <= event[
            "data"
        ].items()
        assert "410" in event["data"]["reason"]
        assert b"secret" not in wire.dumps(event)
        relay.subscriber.verify(watching["secret"])
        listed = (await relay.api.get("/v1/events", params={"type": "endpoint.disabled"})).json()["data"]
        assert [event["id"]] == [row["id"] for row in listed]
        said = (await relay.api.get(f"/v1/events/{event['id']}/explain", params={"endpoint": endpoint})).json()
        assert (said["got"], said["reason"]) == ("no", "an endpoint gets no events about itself")

        await relay.api.post(f"/v1/endpoints/{endpoint}/enable")
        await relay.until(lambda: _has(relay, endpoint, ["delivered", "delivered"]), "both are delivered")
        await relay.until(lambda: "endpoint.recovered" in told(relay), "operators hear of that too")
        assert await _codes(relay, endpoint) == [410, 200]


async def test_nothing_but_failures_disable(start_relay: StartRelay) -> None:
    """An endpoint that only fails is announced as failing, then disabled with the reason; enabled, it recovers."""
    relay = await start_relay(RELAY_DISABLE_AFTER="2s", RELAY_RETRY_SCHEDULE="300ms,300ms,300ms,300ms,300ms,300ms,60s")
    await relay.endpoint(types=OPERATORS)
    async with Subscriber(CATALOGUE["error_500"]) as failing:
        endpoint = (await relay.endpoint(url=failing.url, max_in_flight=25))["id"]
        await relay.play("card", count=25)
        await relay.until(lambda: "endpoint.disabled" in told(relay), "it is disabled")
        assert told(relay) == ["endpoint.failing", "endpoint.disabled"]
        first, second = (event["data"] for event in relay.subscriber.events)
        assert first["failing_since"] == second["failing_since"]
        assert second["failures"] >= 20
        row = await shown(relay, endpoint)
        assert ("disabled", second["reason"]) == (row["state"], row["disabled_reason"])
        assert "answered 500" in row["disabled_reason"]
        assert {"held"} == set(await states(relay, endpoint))

        failing.behaviour = CATALOGUE["ok"]
        await relay.api.post(f"/v1/endpoints/{endpoint}/enable")
        await relay.until(lambda: "endpoint.recovered" in told(relay), "it recovers")
        await relay.play("card")
        await relay.until(lambda: _delivered(relay, endpoint, 1), "it gets what is new")
    assert told(relay) == ["endpoint.failing", "endpoint.disabled", "endpoint.recovered"]


async def test_a_pause_ends_when_its_cause_is_gone(relay: Relay) -> None:
    """An endpoint asks for a day of peace. A test and a retry by hand are sent all the same and answer with what it
    says; a new URL ends the day, for what waits and for what comes."""
    async with Subscriber(_busy(86400)) as busy, Subscriber(CATALOGUE["ok"]) as well:
        endpoint = (await relay.endpoint(url=busy.url))["id"]
        await relay.play("card")
        await busy.received(1)
        await relay.until(lambda: _said(relay, endpoint, "asked for a pause"), "the lane waits")
        (waiting,) = (await relay.api.get("/v1/deliveries", params={"endpoint": endpoint})).json()["data"]

        tested = (await relay.api.post(f"/v1/endpoints/{endpoint}/test")).json()
        assert (tested["status_code"], tested["error"]) == (429, None)
        await relay.api.post(f"/v1/deliveries/{waiting['id']}/retry")
        await busy.received(3)
        await relay.play("card")
        await relay.api.post(f"/v1/endpoints/{endpoint}/disable")
        assert (await relay.api.post(f"/v1/endpoints/{endpoint}/test")).json()["status_code"] == 429
        await relay.api.post(f"/v1/endpoints/{endpoint}/enable")
        await relay.until(lambda: _said(relay, endpoint, "asked for a pause"), "it is tried, and asks once more")

        await relay.api.patch(f"/v1/endpoints/{endpoint}", json={"url": well.url})
        await relay.until(lambda: _delivered(relay, endpoint, 2), "both are delivered")


async def test_a_good_test_ends_the_pause(relay: Relay) -> None:
    """What the endpoint put off for a day goes as soon as it has taken a test."""
    async with Subscriber(_busy(86400), times=1) as busy:
        endpoint = (await relay.endpoint(url=busy.url))["id"]
        await relay.play("card")
        await relay.until(lambda: _said(relay, endpoint, "asked for a pause"), "the lane waits")
        assert (await relay.api.post(f"/v1/endpoints/{endpoint}/test")).json()["status_code"] == 200
        await relay.until(lambda: _delivered(relay, endpoint, 2), "the delivery is delivered, and so was the test")


def _busy(seconds: int) -> Behaviour:
    return Behaviour("busy", status(429, b"", f"Retry-After: {seconds}"), "again", 429)


async def _said(relay: Relay, endpoint: str, words: str) -> bool:
    rows = (await relay.api.get("/v1/deliveries", params={"endpoint": endpoint})).json()["data"]
    return any(words in (row["reason"] or "") for row in rows)


async def _is(relay: Relay, endpoint: str, state: str) -> bool:
    return bool((await shown(relay, endpoint))["state"] == state)


async def _has(relay: Relay, endpoint: str, expected: list[str]) -> bool:
    return await states(relay, endpoint) == expected


async def _delivered(relay: Relay, endpoint: str, least: int) -> bool:
    return (await states(relay, endpoint)).count("delivered") >= least


async def _codes(relay: Relay, endpoint: str) -> list[int]:
    rows = (await relay.api.get("/v1/deliveries", params={"endpoint": endpoint})).json()["data"]
    return [attempt["status_code"] for attempt in rows[-1]["attempts"]]
