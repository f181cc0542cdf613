"""Calls that wait for a worker: a refresh now, and a test of an endpoint."""

from __future__ import annotations

import asyncio
import time

import pytest

from console.operations.refresh_payment import POLL_EVERY
from ledger.delivery_lane import ClaimedDelivery
from ledger.keys import Lane
from schemas.endpoints.delivery import Attempt, Delivered, Retry
from tests.console.conftest import Console, meanwhile, running, worked
from tests.support import machine
from tests.support.ledger_state import ledger_state
from tests.support.reasons import because
from tests.support.waiting import until


async def test_a_refresh_answers_with_what_the_look_found(console: Console) -> None:
    """A payment that no webhook reported is looked up, and answered like any other."""
    found = {"imp_1": machine.payment("imp_1")}
    answer = await meanwhile(
        console.call("POST", "/v1/payments/imp_1/refresh"), lambda: machine.look_at(console.ledger, found)
    )
    assert (answer.status_code, answer.json()["status"]) == (200, "paid")
    assert answer.json()["events"][0]["type"] == "payment.paid"


async def test_a_refresh_waits_for_a_look_of_its_own(console: Console) -> None:
    """A look-up that had begun before the request does not answer it."""
    await machine.seen(console.ledger, "imp_1")
    await machine.notify(console.ledger, "imp_1")
    claimed = await console.ledger.refresh_lane.claim(Lane("refresh", "default"))
    assert len(claimed.payments) == 1
    call = asyncio.ensure_future(console.call("POST", "/v1/payments/imp_1/refresh"))

    async def is_marked() -> bool:
        return (await console.ledger.payments.refresh_state("default", "imp_1")).due

    await until(is_marked, "the request has made the payment due")
    await console.ledger.refresh_lane.postpone(claimed.payments[0], "stalled", due_in=None, tries=1)
    await asyncio.sleep(3 * POLL_EVERY)  # it may not be answered by this look
    assert not call.done()
    cancelled = {"imp_1": machine.payment("imp_1", cancel_amount=1004, status="cancelled", cancelled_at=machine.NOW)}
    async with worked(lambda: machine.look_at(console.ledger, cancelled)):
        assert (await call).json()["status"] == "cancelled"


async def test_a_refresh_of_an_unknown_payment_is_404(console: Console) -> None:
    """What i'mport does not know is not there, at the first try and when it has been given up."""

    async def unknown() -> None:
        claimed = await console.ledger.refresh_lane.claim(Lane("refresh", "default"))
        for one in claimed.payments:
            await console.ledger.refresh_lane.postpone(one, "unknown", due_in=30, tries=1)

    answer = await meanwhile(console.call("POST", "/v1/payments/imp_made_up/refresh"), unknown)
    assert answer.status_code == 404
    given_up = await meanwhile(
        console.call("POST", "/v1/payments/imp_gone/refresh"), lambda: machine.look_at(console.ledger, {})
    )
    assert given_up.status_code == 404
    assert (await console.call("POST", "/v1/payments/imp_1/refresh?merchant=nobody")).status_code == 404
    assert (await console.call("POST", f"/v1/payments/{'x' * 33}/refresh")).status_code == 422


async def test_a_refresh_that_takes_too_long_is_202(console: Console) -> None:
    """Without a worker the answer comes all the same; the refresh stays due."""
    answer = await console.call("POST", "/v1/payments/imp_1/refresh")
    assert answer.status_code == 202
    assert answer.json() == {"merchant": "default", "imp_uid": "imp_1", "state": "looking"}
    assert (await console.call("GET", "/v1/stats")).json()["refresh"]["due"] == 1


@pytest.mark.parametrize("status_code", [200, 500])
async def test_a_test_answers_with_the_attempt(console: Console, status_code: int) -> None:
    """The attempt is answered, whether it succeeded or not; a failed test is not tried again."""
    endpoint = (await console.endpoint())["id"]
    verdict = Delivered() if status_code == 200 else Retry(60.0, because("the last attempt answered 500"))
    answer = await meanwhile(
        console.call("POST", f"/v1/endpoints/{endpoint}/test"),
        lambda: machine.send(console.ledger, endpoint, verdict, status_code=status_code, response="hello"),
    )
    assert answer.status_code == 200
    tested = answer.json()
    assert (tested["status_code"], tested["response"]) == (status_code, "hello")
    delivery = (await console.call("GET", f"/v1/deliveries/{tested['delivery']}")).json()
    assert (delivery["type"], len(delivery["attempts"])) == ("relay.test", 1)
    assert delivery["state"] == ("delivered" if status_code == 200 else "dead")
    event = (await console.call("GET", f"/v1/events/{tested['event']}")).json()
    assert (event["type"], event["data"]) == ("relay.test", {"merchant": "default", "endpoint": endpoint})


async def test_a_test_goes_to_its_endpoint_alone(console: Console) -> None:
    """No other endpoint gets it, not even one that subscribes to everything."""
    other, endpoint = [(await console.endpoint(types=["*"]))["id"] for _ in range(2)]
    await meanwhile(
        console.call("POST", f"/v1/endpoints/{endpoint}/test"),
        lambda: machine.send(console.ledger, endpoint, Delivered(), status_code=200),
    )
    assert await machine.send(console.ledger, other, Delivered(), status_code=200) == 0


async def test_a_test_without_a_worker_is_202(redis_url: str) -> None:
    """When nothing was sent in time the answer says so, and nothing is sent afterwards."""
    async with running(redis_url, {"RELAY_DELIVERY_TIMEOUT": "100ms"}) as console:
        endpoint = (await console.endpoint())["id"]
        answer = await console.call("POST", f"/v1/endpoints/{endpoint}/test")
        assert answer.status_code == 202
        assert answer.json()["reason"] == "no worker has sent it"
        assert (await console.call("GET", f"/v1/deliveries/{answer.json()['delivery']}")).json()["state"] == "dead"
        assert await machine.send(console.ledger, endpoint, Delivered(), status_code=200) == 0


async def test_a_test_that_is_being_sent_is_waited_for(redis_url: str) -> None:
    """A worker that comes late has begun the attempt: the answer must not deny it, and the test is not tried again."""
    async with running(redis_url, {"RELAY_DELIVERY_TIMEOUT": "1s"}) as console:
        endpoint = (await console.endpoint())["id"]
        call = asyncio.ensure_future(console.call("POST", f"/v1/endpoints/{endpoint}/test"))

        async def claimed_deliveries() -> tuple[ClaimedDelivery, ...]:
            return tuple((await console.ledger.delivery_lane.claim(Lane("deliver", endpoint))).deliveries)

        claimed = await until(claimed_deliveries, "the test is queued")
        await asyncio.wait([call], timeout=6.5)  # longer than the call waits for a worker
        made = Attempt(time.time(), 500, 12, because("answered 500"), "late", replay=False)
        again = Retry(60.0, because("the last attempt answered 500"))
        assert await console.ledger.delivery_lane.settle(claimed[0].lease, again, [made])
        answer = await call
        assert (answer.status_code, answer.json().get("status_code")) == (200, 500)
        delivery = (await console.call("GET", f"/v1/deliveries/{answer.json()['delivery']}")).json()
        assert (delivery["state"], len(delivery["attempts"])) == ("dead", 1)


async def test_a_disabled_endpoint_is_tested_before_it_is_enabled(console: Console) -> None:
    """The attempt is answered, and the endpoint stays as it is."""
    endpoint = (await console.endpoint())["id"]
    await console.call("POST", f"/v1/endpoints/{endpoint}/disable")
    answer = await meanwhile(
        console.call("POST", f"/v1/endpoints/{endpoint}/test"),
        lambda: machine.send(console.ledger, endpoint, Delivered(), status_code=200),
    )
    assert (answer.status_code, answer.json()["status_code"]) == (200, 200)
    assert (await console.call("GET", f"/v1/endpoints/{endpoint}")).json()["state"] == "disabled"


async def test_an_endpoint_that_is_not_there_is_not_tested(console: Console, redis_url: str) -> None:
    """404 where there is none, and 409 at once where it is deleted before a worker came by."""
    assert (await console.call("POST", "/v1/endpoints/ep_x/test")).status_code == 404
    endpoint = (await console.endpoint())["id"]
    call = asyncio.ensure_future(console.call("POST", f"/v1/endpoints/{endpoint}/test"))
    async with ledger_state(redis_url) as state:
        await until(state.due_lanes, "the test is queued")
    await console.call("DELETE", f"/v1/endpoints/{endpoint}")
    answer = await call
    assert (answer.status_code, answer.json()["detail"]) == (409, "the endpoint was deleted")
