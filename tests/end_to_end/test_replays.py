"""Replays, end to end: through kills, at their rate, stopped, and behind what happens now."""

from __future__ import annotations

import time

from tests.support.replaying import record, replay, survive
from tests.support.stack import Stack


async def test_a_replay_survives_its_worker(stack: Stack) -> None:
    """A worker killed in the middle of a replay costs nothing: every event arrives and every number is right."""
    await survive(stack, 1000, rate=400)


async def test_a_replay_keeps_its_rate_yields_and_can_be_stopped(stack: Stack) -> None:
    """It sends no faster than asked, what happens now goes first, and after DELETE nothing more is sent."""
    await record(stack, 60)
    endpoint = (await stack.endpoint())["id"]
    began = time.monotonic()
    started = (await stack.api.post("/v1/replays", json={"endpoint": endpoint, "rate": 10})).json()
    await stack.until(lambda: len(stack.heard.requests) >= 20, "some have arrived")
    assert time.monotonic() - began >= 0.9, "20 at 10 a second, less what one step may queue at once"
    (fresh,) = await stack.play("card")
    await stack.until(lambda: stack.heard.types(fresh), "what happens now arrives")

    stopped = (await stack.api.delete(f"/v1/replays/{started['id']}")).json()

    assert stopped["state"] == "stopped"
    await stack.until(lambda: _settled(stack, started["id"]), "what was being sent has ended")
    arrived = len(stack.heard.requests)
    (last,) = await stack.play("card")
    await stack.until(lambda: stack.heard.types(last), "what happens now arrives")
    assert arrived + 1 == len(stack.heard.requests)
    row = await replay(stack, started["id"])
    assert (row["matched"], row["failed"]) == (60, 0)
    assert row["delivered"] == arrived - 1 < 60
    left = await stack.api.post("/v1/replays", json={"endpoint": endpoint, "dry_run": True})
    assert 60 - row["delivered"] == left.json()["matched"]

    attempts = (await stack.api.get("/v1/deliveries", params={"endpoint": endpoint, "state": "delivered"})).json()
    marked = {attempt["replay"] for row in attempts["data"] for attempt in row["attempts"] if row["imp_uid"] == fresh}
    assert {False} == marked
    assert {True, False} == {attempt["replay"] for row in attempts["data"] for attempt in row["attempts"]}


async def _settled(stack: Stack, replay_id: str) -> bool:
    row = await replay(stack, replay_id)
    return bool(row["queued"] == row["delivered"] + row["failed"])
