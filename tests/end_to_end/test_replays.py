"""Replays, end to end: through kills, at their rate, stopped, and behind what happens now."""

from __future__ import annotations

import time

from tests.support.relay import Relay
from tests.support.replaying import record, replay, survive


async def test_a_replay_survives_its_worker(relay: Relay) -> None:
    """A worker killed in the middle of a replay costs nothing: every event arrives and every number is right."""
    await survive(relay, 1000, rate=400)


async def test_a_replay_keeps_its_rate_yields_and_can_be_stopped(relay: Relay) -> None:
    """It sends no faster than asked, what happens now goes first, and after DELETE nothing more is sent."""
    await record(relay, 60)
    endpoint = (await relay.endpoint())["id"]
    began = time.monotonic()
    started = (await relay.api.post("/v1/replays", json={"endpoint": endpoint, "rate": 10})).json()
    await relay.until(lambda: len(relay.subscriber.requests) >= 20, "some have arrived")
    assert time.monotonic() - began >= 0.9, "20 at 10 a second, less what one step may queue at once"
    (fresh,) = await relay.play("card")
    await relay.until(lambda: relay.subscriber.types(fresh), "what happens now arrives")

    stopped = (await relay.api.delete(f"/v1/replays/{started['id']}")).json()

    assert stopped["state"] == "stopped"
    await relay.until(lambda: _settled(relay, started["id"]), "what was being sent has ended")
    arrived = len(relay.subscriber.requests)
    (last,) = await relay.play("card")
    await relay.until(lambda: relay.subscriber.types(last), "what happens now arrives")
    assert arrived + 1 == len(relay.subscriber.requests)
    row = await replay(relay, started["id"])
    assert (row["matched"], row["failed"]) == (60, 0)
    assert row["delivered"] == arrived - 1 < 60
    left = await relay.api.post("/v1/replays", json={"endpoint": endpoint, "dry_run": True})
    assert 60 - row["delivered"] == left.json()["matched"]

    attempts = (await relay.api.get("/v1/deliveries", params={"endpoint": endpoint, "state": "delivered"})).json()
    marked = {attempt["replay"] for row in attempts["data"] for attempt in row["attempts"] if row["imp_uid"] == fresh}
    assert {False} == marked
    assert {True, False} == {attempt["replay"] for row in attempts["data"] for attempt in row["attempts"]}


async def _settled(relay: Relay, replay_id: str) -> bool:
    row = await replay(relay, replay_id)
    return bool(row["queued"] == row["delivered"] + row["failed"])
