"""A replay of many events whose worker is killed in the middle: for the tests and, with more of them, `make chaos`."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.support.stack import Stack

AT_ONCE = 500
"""Payments that a scenario is asked to play at a time."""


async def record(stack: Stack, count: int) -> set[str]:
    """Let so many events be recorded, with nobody there to hear of them; their ids."""
    for begun in range(0, count, AT_ONCE):
        await stack.play("card", count=min(AT_ONCE, count - begun))
    ids: set[str] = set()
    cursor: str | None = None

    async def all_recorded() -> bool:
        nonlocal cursor, ids
        ids, cursor = set(), None
        while True:
            query = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = (await stack.api.get("/v1/events", params=query)).json()
            ids |= {row["id"] for row in page["data"]}
            cursor = page["next_cursor"]
            if cursor is None:
                return len(ids) >= count

    await stack.until(all_recorded, f"{count} events are recorded", within=120)
    return ids


async def replay(stack: Stack, replay_id: str) -> dict[str, Any]:
    """A replay as the API shows it."""
    row: dict[str, Any] = (await stack.api.get(f"/v1/replays/{replay_id}")).json()
    return row


async def survive(stack: Stack, count: int, *, rate: int, max_in_flight: int = 8) -> None:
    """Replay `count` events to an endpoint made after them, kill the worker in the middle, and check every number."""
    ids = await record(stack, count)
    endpoint = (await stack.endpoint(max_in_flight=max_in_flight))["id"]
    asked = {"endpoint": endpoint, "rate": rate}
    dry = await stack.api.post("/v1/replays", json=asked | {"dry_run": True})
    assert (200, count, False) == (dry.status_code, dry.json()["matched"], "id" in dry.json())
    started = await stack.api.post("/v1/replays", json=asked)
    assert started.status_code == 202, started.text
    replay_id = started.json()["id"]
    await stack.until(lambda: len(stack.heard.requests) >= count // 3, "a third has arrived", within=120)

    await stack.worker.kill()
    assert (await replay(stack, replay_id))["state"] == "running"
    stack.worker = stack.start_worker()

    async def done() -> dict[str, Any]:
        row = await replay(stack, replay_id)
        return row if row["state"] == "done" else {}

    row = await stack.until(done, "the replay is done", within=240)
    assert {"matched": count, "queued": count, "delivered": count, "failed": 0}.items() <= row.items()
    times = Counter(headers["webhook-id"] for headers, _ in stack.heard.requests)
    assert ids == set(times)
    # Only what was in flight when the worker died may have been sent twice.
    assert times.total() - count <= max_in_flight
    again = await stack.api.post("/v1/replays", json=asked | {"dry_run": True})
    assert again.json()["matched"] == 0
