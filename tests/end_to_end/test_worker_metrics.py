"""What a worker process serves for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from runtime.version import relay_version
from tests.support.clients import http_client
from tests.support.processes import Process
from tests.support.relay import TOKEN, Relay
from tests.support.relay_fixtures import StartRelay

Numbers = Mapping[tuple[str, tuple[str, ...]], float]


async def url_of(worker: Process) -> str:
    """Where a worker says that it serves them."""
    return f"http://127.0.0.1:{(await worker.logged('metrics_served'))['port']}"


async def numbers(worker: Process) -> Numbers:
    """All samples by name and label values."""
    async with http_client(await url_of(worker)) as client:
        text = (await client.get("/metrics")).raise_for_status().text
    families = text_string_to_metric_families(text)
    return {(one.name, tuple(one.labels.values())): one.value for family in families for one in family.samples}


async def test_a_payments_way_is_counted(relay: Relay) -> None:
    """Its look-up, its event, its attempts, and how long it took from webhook to callback."""
    await relay.endpoint()
    await relay.play("card")
    await relay.until_received("paid")
    found: Numbers = {}

    async def is_settled() -> bool:
        nonlocal found
        found = await numbers(relay.worker)
        return ("relay_deliveries_total", ("delivered",)) in found

    await relay.until(is_settled, "the attempt is counted")
    assert found["relay_build_info", (relay_version(),)] == 1
    assert found["relay_lookups_total", ("answered",)] == found["relay_lookup_payments_count", ()] >= 1
    assert found["relay_lookup_seconds_sum", ()] > 0
    assert found["relay_events_total", ("payment.paid",)] == 1
    assert found["relay_deliveries_total", ("delivered",)] == found["relay_delivery_seconds_count", ()] == 1
    assert found["relay_webhook_to_callback_seconds_count", ()] == 1
    assert 0 < found["relay_webhook_to_callback_seconds_sum", ()] < 60
    assert found["process_resident_memory_bytes", ()] > 0


async def test_later_attempts_are_no_first_callbacks(relay: Relay) -> None:
    """An attempt that fails is a retry; what a later attempt delivers is not measured from its webhook."""
    await relay.endpoint()
    relay.subscriber.reply = lambda count: (500 if count == 1 else 200, 0)
    await relay.play("card")

    async def is_delivered() -> bool:
        return ("relay_deliveries_total", ("delivered",)) in await numbers(relay.worker)

    await relay.until(is_delivered, "a later attempt delivers")
    found = await numbers(relay.worker)
    assert found["relay_deliveries_total", ("retry",)] >= 1
    assert found["relay_webhook_to_callback_seconds_count", ()] == 0


async def test_the_breaker_is_shown_until_iamport_answers(relay: Relay) -> None:
    """For the merchant for whom it fails."""
    await relay.i_mport.terminate()
    await relay.webhook("imp_1")
    breaker = ("relay_iamport_breaker_open", ("default",))

    async def is_open() -> bool:
        return (await numbers(relay.worker)).get(breaker) == 1

    await relay.until(is_open, "the breaker is open")
    assert (await numbers(relay.worker))["relay_lookups_total", ("failing",)] >= 1
    await relay.start_iamport()

    async def is_closed() -> bool:
        return breaker not in await numbers(relay.worker)

    await relay.until(is_closed, "the breaker is closed")
    assert (await numbers(relay.worker))["relay_lookups_total", ("answered",)] >= 1


async def test_each_worker_takes_a_port_of_its_own(start_relay: StartRelay) -> None:
    """One whose port is taken takes the next free one, and says so; 0 is for none."""
    relay = await start_relay()
    first = await relay.worker.logged("metrics_served")
    second = relay.start_worker(RELAY_METRICS_PORT=str(first["port"]))
    served = await second.logged("metrics_served")
    assert (served["taken"], served["port"] > first["port"]) == (first["port"], True)
    none = relay.start_worker(RELAY_METRICS_PORT="0")
    await none.logged("worker_ready")
    assert await second.terminate() == 0
    assert none.logs("metrics_served") == []


async def test_livez_needs_no_token_and_the_numbers_do(relay: Relay) -> None:
    """Requests through a proxy need a token for the numbers, none for /livez."""
    async with http_client(await url_of(relay.worker), headers={"x-forwarded-for": "203.0.113.9"}) as client:
        assert (await client.get("/livez")).json()["status"] == "alive"
        refused = await client.get("/metrics")
        assert (refused.status_code, refused.json()["reason_code"]) == (401, "token_needed")
        assert refused.headers["content-type"] == "application/problem+json"
        admitted = await client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        assert admitted.status_code == 200
