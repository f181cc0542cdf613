"""Replay events: estimate how many, start, stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from console.context import Context
from console.operations import from_history
from console.operations.read_merchants import check_merchant
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.replays import Replay, added_up, is_whole
from schemas.endpoints.replay_selection import Selection
from schemas.errors import Invalid, NotFound
from schemas.reasons import Reason


async def estimate_replay(context: Context, selection: Selection) -> int:
    """How many deliveries such a replay would queue now. Raises `NotFound`, `Invalid` and `HistoryUnavailable`."""
    return sum((await _count(context, await _resolved(context, selection))).values())


async def start_replay(context: Context, selection: Selection, rate: float) -> Replay:
    """Start a replay at `rate` deliveries a second; workers do the rest. Raises `NotFound`, `Invalid` and
    `HistoryUnavailable`."""
    resolved = await _resolved(context, selection)
    return await context.ledger.replays.create(resolved, rate, await _count(context, resolved))


async def stop_replay(context: Context, replay_id: str) -> Replay:
    """Stop a replay: deliveries that it queued and that no worker is sending leave the lanes. Raises `NotFound`."""
    return await context.ledger.replays.stop(replay_id)


async def read_replay(context: Context, replay_id: str) -> Replay:
    """A replay and its progress. Raises `NotFound`."""
    found = (await _whole(context, [replay_id])).get(replay_id)
    if found is None:
        raise NotFound(Reason.of("not_found", kind="replay", id=replay_id))
    return found


async def list_replays(context: Context, part: PageRequest) -> HistoryPage[Replay]:
    """Replays, newest first; those that the ledger still has with their progress now. Raises `Invalid` and
    `HistoryUnavailable`."""
    behind = await wait_for_history(context)
    page = await context.history.replays.list(part)
    found = await _whole(context, [row.id for row in page.rows])
    return HistoryPage(tuple(found[row.id] for row in page.rows), page.next_cursor, behind)


async def _whole(context: Context, replay_ids: Sequence[str]) -> dict[str, Replay]:
    """Those of these replays that exist. Parts that have left the ledger are as history has them."""
    found: dict[str, dict[int, Replay]] = {}
    for replay_id, some in (await context.ledger.replays.parts(replay_ids)).items():
        found[replay_id] = {one.part: one for one in some}
    if left := [replay_id for replay_id, some in found.items() if not is_whole(some.values())]:
        for replay_id, rows in (await context.history.replays.parts(left)).items():
            found[replay_id] = {row.part: from_history.replay(row) for row in rows} | found[replay_id]
    return {replay_id: added_up(some.values()) for replay_id, some in found.items() if some}


async def _count(context: Context, selection: Selection) -> dict[int, int]:
    """How many deliveries there are to send again, by the cell of their endpoints, among events recorded by now."""
    await wait_for_history(context, selection.merchant)
    recipients = await context.ledger.endpoints.recipients(selection)
    now = await context.ledger.now()
    until = now if selection.until is None else min(selection.until, now)
    count = context.history.replayable.count
    return {cell: await count(some, selection, until) for cell, some in recipients.items()}


async def _resolved(context: Context, selection: Selection) -> Selection:
    """The selection with the merchant of its endpoint. Raises `NotFound` and `Invalid`."""
    merchant = selection.merchant
    if merchant is not None:
        await check_merchant(context, merchant)
    if selection.endpoint is not None:
        owner = (await context.ledger.endpoints.get(selection.endpoint)).endpoint.merchant
        if merchant not in (None, owner):
            raise Invalid("merchant", Reason.of("merchant_of_endpoint", merchant=owner))
        merchant = owner
    if selection.since is not None and selection.until is not None and selection.until <= selection.since:
        raise Invalid("until", Reason.of("later_than_since"))
    return replace(selection, merchant=merchant)
