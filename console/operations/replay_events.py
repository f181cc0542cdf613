"""Replay events: estimate how many, start, stop."""

from __future__ import annotations

from dataclasses import replace

from console.context import Context
from ledger.replays import Replay, Selection
from schemas.errors import Invalid, NotFound


async def estimate_replay(context: Context, selection: Selection) -> int:
    """How many deliveries a replay of this would queue now. Raises `NotFound` and `Invalid`."""
    return await context.ledger.replays.count(await _resolved(context, selection))


async def start_replay(context: Context, selection: Selection, rate: float) -> Replay:
    """Start a replay at `rate` deliveries a second; workers do the rest. Raises `NotFound` and `Invalid`."""
    return await context.ledger.replays.create(await _resolved(context, selection), rate)


async def stop_replay(context: Context, replay_id: str) -> Replay:
    """Stop a replay: what it queued and no worker is sending is removed from the lanes. Raises `NotFound`."""
    return await context.ledger.replays.stop(replay_id)


async def _resolved(context: Context, selection: Selection) -> Selection:
    """The selection with the merchant of its endpoint. Raises `NotFound` and `Invalid`."""
    merchant = selection.merchant
    if merchant is not None and merchant not in await context.ledger.merchants.names():
        raise NotFound(f"there is no merchant {merchant!r}")
    if selection.endpoint is not None:
        owner = (await context.ledger.endpoints.get(selection.endpoint)).endpoint.merchant
        if merchant not in (None, owner):
            raise Invalid("merchant", f"is not the one of the endpoint, which is {owner}")
        merchant = owner
    if selection.since is not None and selection.until is not None and selection.until <= selection.since:
        raise Invalid("until", "must be later than since")
    return replace(selection, merchant=merchant)
