"""Redis came back with an old copy: what history has beyond it is shown with what the ledger has."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.ledger import Ledger
from schemas.endpoints.delivery import Dead, Delivered, Retry
from schemas.reasons import Reason
from tests.console.conftest import Console, on_each_database
from tests.console.test_history import take_away
from tests.support import redis_contents
from tests.support.histories import until_recorded
from tests.support.ledger_redis import redis_of
from tests.support.machine import seen, send

FAILED = Reason.of("retry_scheduled", Reason.of("http_answer", status=500))


async def copy_of(ledger: Ledger) -> dict[bytes, bytes]:
    """Everything that Redis holds once history has all that was written."""
    await until_recorded(ledger)
    return await redis_contents.copy_of(redis_of(ledger))


async def come_back(console: Console, copy: dict[bytes, bytes]) -> None:
    """Redis comes back with what it held then; history has all that was written since."""
    await console.call("GET", "/v1/deliveries")
    redis = redis_of(console.ledger)
    async with redis.pipeline(transaction=True) as at_once:
        at_once.delete(*await redis.keys("*"))
        for name, dumped in copy.items():
            at_once.restore(name, 0, dumped, replace=True)
        await at_once.execute()


async def fail(console: Console, endpoint: str, status: int) -> None:
    """One more attempt, which fails; the next is due at once."""
    assert await send(console.ledger, endpoint, Retry(0.0, FAILED), status_code=status) == 1


def statuses(delivery: dict[str, Any]) -> list[int]:
    """What each attempt was answered with."""
    return [attempt["status_code"] for attempt in delivery["attempts"]]


async def shown_alone(console: Console, event: str, endpoint: str) -> list[dict[str, Any]]:
    """A delivery in every answer that has it alone."""
    alone = (await console.call("GET", f"/v1/deliveries/{event}.{endpoint}")).json()
    explained = (await console.call("GET", f"/v1/events/{event}/explain", params={"endpoint": endpoint})).json()
    return [alone, explained["delivery"]]


@on_each_database
async def test_no_answer_lacks_an_attempt(console: Console) -> None:
    """Alone, in a list, explained, and when it is attempted again; attempts that history lacks are there, too."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    await fail(console, endpoint, 500)
    copy = await copy_of(console.ledger)
    await fail(console, endpoint, 501)
    await fail(console, endpoint, 502)
    await come_back(console, copy)
    (listed,) = (await console.call("GET", "/v1/deliveries", params={"state": "pending"})).json()["data"]
    for shown in (listed, *await shown_alone(console, listed["event"], endpoint)):
        assert (shown["state"], statuses(shown)) == ("pending", [500, 501, 502])
    retried = (await console.call("POST", f"/v1/deliveries/{listed['id']}/retry")).json()
    assert (retried["reason_code"], statuses(retried)) == ("retry_requested", [500, 501, 502])
    await fail(console, endpoint, 503)
    (alone, explained) = await shown_alone(console, listed["event"], endpoint)
    assert statuses(alone) == statuses(explained) == [500, 501, 502, 503]


@on_each_database
async def test_what_will_be_sent_again_waits(console: Console) -> None:
    """History knows that it arrived; the ledger, which does not, sends it once more: both are said."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    copy = await copy_of(console.ledger)
    await send(console.ledger, endpoint, Delivered(), status_code=200)
    await come_back(console, copy)
    (listed,) = (await console.call("GET", "/v1/deliveries")).json()["data"]
    for shown in await shown_alone(console, listed["event"], endpoint):
        assert (shown["state"], statuses(shown)) == ("pending", [200])
    query = {"endpoint": endpoint}
    explained = (await console.call("GET", f"/v1/events/{listed['event']}/explain", params=query)).json()
    assert (explained["got"], explained["reason_code"]) == ("yes", "delivered_requested_again")


@on_each_database
async def test_what_ended_otherwise_is_as_it_ended(console: Console) -> None:
    """It was given up, then attempted again and taken: the ledger does nothing more, and history knows better."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    await send(console.ledger, endpoint, Dead(Reason.of("given_up")), status_code=500)
    (listed,) = (await console.call("GET", "/v1/deliveries")).json()["data"]
    copy = await copy_of(console.ledger)
    await console.call("POST", f"/v1/deliveries/{listed['id']}/retry")
    await send(console.ledger, endpoint, Delivered(), status_code=200)
    await come_back(console, copy)
    for shown in await shown_alone(console, listed["event"], endpoint):
        assert (shown["state"], shown["reason"], statuses(shown)) == ("delivered", None, [500, 200])


@on_each_database
async def test_what_the_ledger_keeps_no_more(console: Console) -> None:
    """It keeps a hundred attempts of a delivery, history all: alone as in a list there are all."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    for number in range(103):
        await fail(console, endpoint, 500 + number % 90)
    (listed,) = (await console.call("GET", "/v1/deliveries")).json()["data"]
    for shown in (listed, *await shown_alone(console, listed["event"], endpoint)):
        assert len(statuses(shown)) == 103


@on_each_database
async def test_a_payment_has_what_history_knows_of_it(console: Console) -> None:
    """Its events and where it stands, alone as in a list, with what was asked of the ledger since."""
    await seen(console.ledger, "imp_1")
    copy = await copy_of(console.ledger)
    entry = {"amount": 4, "cancelled_at": 9, "cancellation_id": "c", "pg_tid": "t", "reason": "r"}
    await seen(console.ledger, "imp_1", status="cancelled", cancel_amount=4, cancelled_at=9, cancel_history=[entry])
    await come_back(console, copy)
    (listed,) = (await console.call("GET", "/v1/payments")).json()["data"]
    assert (listed["status"], len(listed["events"])) == ("partially_cancelled", 2)
    assert (await console.call("GET", "/v1/payments/imp_1")).json() == listed


async def test_a_payment_is_as_the_ledger_has_it_while_history_is_away(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What only history knows has to wait."""
    await seen(console.ledger, "imp_1")
    copy = await copy_of(console.ledger)
    await seen(console.ledger, "imp_1", status="failed", failed_at=9)
    await come_back(console, copy)
    take_away(monkeypatch)
    alone = (await console.call("GET", "/v1/payments/imp_1")).json()
    assert (alone["status"], len(alone["events"])) == ("paid", 1)
