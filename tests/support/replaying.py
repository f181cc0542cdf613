"""A replay of many events whose worker is killed in the middle: for the tests and, with more of them, `make chaos`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.support.relay import Relay

AT_ONCE = 500
"""Payments that a scenario is asked to play at a time."""


async def record(relay: Relay, count: int) -> set[str]:
    """Let so many events be recorded while nothing subscribes to them; their ids."""
    for begun in range(0, count, AT_ONCE):
        await relay.play("card", count=min(AT_ONCE, count - begun))

    async def all_recorded() -> set[str]:
        ids = {row["id"] for row in await relay.list_all("/v1/events")}
        return ids if len(ids) >= count else set()

    ids: set[str] = await relay.until(all_recorded, f"{count} events are recorded", within=120)
    return ids


async def replay(relay: Relay, replay_id: str) -> dict[str, Any]:
    """A replay as the API shows it."""
    row: dict[str, Any] = (await relay.api.get(f"/v1/replays/{replay_id}")).json()
    return row


async def survive(relay: Relay, count: int, *, rate: int, max_in_flight: int = 8) -> None:
    """Replay `count` events to an endpoint made after them, kill the worker in the middle, and check every number."""
    ids = await record(relay, count)
    endpoint = (await relay.endpoint(max_in_flight=max_in_flight))["id"]
    asked = {"endpoint": endpoint, "rate": rate}
    dry = await relay.api.post("/v1/replays", json=asked | {"dry_run": True})
    assert (200, count, False) == (dry.status_code, dry.json()["matched"], "id" in dry.json())
    started = await relay.api.post("/v1/replays", json=asked)
    assert started.status_code == 202, started.text
    replay_id = started.json()["id"]
    await relay.until(lambda: len(relay.subscriber.requests) >= count // 3, "a third has arrived", within=120)

    await relay.worker.kill()
    assert (await replay(relay, replay_id))["state"] == "running"
    relay.worker = relay.start_worker()

    async def done() -> dict[str, Any]:
        row = await replay(relay, replay_id)
        return row if row["state"] == "done" else {}

    row = await relay.until(done, "the replay is done", within=240)
    assert {"matched": count, "queued": count, "delivered": count, "failed": 0}.items() <= row.items()
    times = Counter(request.headers["webhook-id"] for request in relay.subscriber.requests)
    assert ids == set(times)
    # Only what was in flight when the worker died may have been sent twice.
    assert times.total() - count <= max_in_flight
    again = await relay.api.post("/v1/replays", json=asked | {"dry_run": True})
    assert again.json()["matched"] == 0
