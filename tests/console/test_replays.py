"""Replays in the operator API: counted, begun, shown, listed, stopped."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.keys import Lane
from schemas.endpoints.delivery import Delivered
from tests.console.conftest import Console
from tests.support.machine import seen, send
from tests.support.waiting import until


async def walked(console: Console, replay: str) -> None:
    """Take a replay's turns until it has queued everything, as a worker does."""

    async def is_over() -> bool:
        return await console.replayer.step(replay, await console.ledger.now()) is None

    await until(is_over, "everything is queued")


async def make(console: Console, **body: Any) -> dict[str, Any]:
    """Ask for a replay; the answer's body."""
    answer = await console.call("POST", "/v1/replays", body)
    assert answer.status_code == (200 if body.get("dry_run") else 202), answer.text
    row: dict[str, Any] = answer.json()
    return row


async def test_a_dry_run_only_counts(console: Console) -> None:
    """A dry run says how many it would be, has no id, and leaves nothing behind."""
    await seen(console.ledger, "imp_1", "imp_2")
    endpoint = (await console.endpoint())["id"]

    counted = await make(console, endpoint=endpoint, dry_run=True)

    assert counted == {"state": "done", "matched": 2, "queued": 0, "delivered": 0, "failed": 0}
    assert (await console.call("GET", "/v1/replays")).json()["data"] == []


async def test_a_replay_is_shown_and_listed(console: Console) -> None:
    """A replay shows what was asked for and how far it is, by itself and in the list, newest first."""
    await seen(console.ledger, "imp_1")
    endpoint = (await console.endpoint())["id"]
    since = "2026-01-01T00:00:00Z"
    first = await make(console, endpoint=endpoint, types=["payment.*"], since=since, only="all", rate=7.5)
    await walked(console, first["id"])
    assert await send(console.ledger, endpoint, Delivered(), status_code=200) == 0, (
        "it is not in the lane of live traffic"
    )
    for delivery in (await console.ledger.delivery_lane.claim(Lane("replay", endpoint))).deliveries:
        await console.ledger.delivery_lane.settle(delivery.lease, Delivered())

    shown = (await console.call("GET", f"/v1/replays/{first['id']}")).json()

    expected = {
        "state": "done", "matched": 1, "queued": 1, "delivered": 1, "failed": 0, "endpoint": endpoint,
        "merchant": "default", "types": ["payment.*"], "since": since, "until": None, "only": "all",
        "include_silent": False, "rate": 7.5,
    }  # fmt: skip
    assert expected.items() <= shown.items()
    assert shown["ended_at"] is not None
    second = await make(console)
    assert (second["only"], second["rate"], second["endpoint"], second["matched"]) == ("undelivered", 50, None, 0)
    listed = (await console.call("GET", "/v1/replays?limit=1")).json()
    assert [row["id"] for row in listed["data"]] == [second["id"]]
    rest = (await console.call("GET", f"/v1/replays?cursor={listed['next_cursor']}")).json()
    assert [row["id"] for row in rest["data"]] == [first["id"]]


async def test_stopping(console: Console) -> None:
    """A stopped replay has nothing queued any more; stopping it again changes nothing; an unknown one is 404."""
    await seen(console.ledger, "imp_1", "imp_2")
    endpoint = (await console.endpoint())["id"]
    replay = await make(console, endpoint=endpoint)
    await walked(console, replay["id"])
    [delivery, _] = (await console.call("GET", f"/v1/deliveries?endpoint={endpoint}")).json()["data"]
    assert (delivery["state"], delivery["reason"]) == ("pending", f"sent by {replay['id']}")

    stopped = await console.call("DELETE", f"/v1/replays/{replay['id']}")

    assert (stopped.status_code, stopped.json()["state"], stopped.json()["queued"]) == (200, "stopped", 0)
    assert (await console.call("DELETE", f"/v1/replays/{replay['id']}")).json() == stopped.json()
    shown = (await console.call("GET", f"/v1/deliveries/{delivery['id']}")).json()
    assert (shown["state"], shown["reason"]) == ("discarded", "its replay was stopped before it was sent")
    for method in ("GET", "DELETE"):
        assert (await console.call(method, "/v1/replays/rpl_none")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"endpoint": "ep_none"}, 404, None),
        ({"merchant": "nobody"}, 404, None),
        ({"only": "everything"}, 422, "only"),
        ({"types": ["payment.maybe"]}, 422, "types"),
        ({"rate": 0}, 422, "rate"),
        ({"rate": "50"}, 422, "rate"),
        ({"since": "yesterday"}, 422, "since"),
        ({"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, 422, "until"),
        ({"dry_run": "yes"}, 422, "dry_run"),
        ({"payment": "imp_1"}, 422, "payment"),
    ],
)
async def test_what_it_does_not_take(console: Console, body: dict[str, Any], status: int, field: str | None) -> None:
    """Unknown endpoints and merchants are 404, everything that does not validate is 422 and named."""
    answer = await console.call("POST", "/v1/replays", body)
    assert answer.status_code == status, answer.text
    if field is not None:
        assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_another_merchants_endpoint(console: Console) -> None:
    """An endpoint and a merchant that is not its own contradict each other."""
    await console.call("PUT", "/v1/merchants/shop", {"imp_key": "k", "imp_secret": "s"})
    endpoint = (await console.endpoint())["id"]
    answer = await console.call("POST", "/v1/replays", {"endpoint": endpoint, "merchant": "shop"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "merchant")
    assert (await make(console, endpoint=endpoint, merchant="default"))["merchant"] == "default"


async def test_explained_while_it_is_sent_again(console: Console) -> None:
    """What was delivered once stays so in words while a replay sends it again, or a disabled endpoint holds it."""
    endpoint = (await console.endpoint())["id"]
    await seen(console.ledger, "imp_1")
    await send(console.ledger, endpoint, Delivered(), status_code=200)
    [event] = (await console.call("GET", "/v1/events")).json()["data"]
    replay = await make(console, only="all")
    await walked(console, replay["id"])

    async def why() -> tuple[str, str]:
        answer = (await console.call("GET", f"/v1/events/{event['id']}/explain?endpoint={endpoint}")).json()
        return answer["got"], answer["reason"]

    got, reason = await why()
    assert (got, f"sent again by {replay['id']}" in reason) == ("yes", True), reason
    await console.call("POST", f"/v1/endpoints/{endpoint}/disable")
    got, reason = await why()
    assert (got, "disabled by an operator, since 2" in reason) == ("yes", True), reason
    await console.call("DELETE", f"/v1/endpoints/{endpoint}")
    got, reason = await why()
    assert (got, "the endpoint was deleted" in reason) == ("yes", True), reason
