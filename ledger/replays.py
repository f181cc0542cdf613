"""Replays: many recorded events sent again, at a rate, behind live deliveries.

A replay walks through the events that history has, the oldest first, in turns that a worker takes. One script queues
the deliveries of a turn and moves the replay's cursor, so a killed worker neither loses nor repeats anything. They are
sent from the endpoints' replay lanes, and counted when they are settled.

A replay for several merchants has a part in each cell with endpoints that it sends to: a replay of its own under the
same id, with a share of the rate. Operators see the sum of the parts.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from ledger import keys
from ledger.cells import Cells
from ledger.jobs import REPLAY
from ledger.keys import cell_of
from ledger.rows import Row, flat, hashes, paired, seconds, text
from ledger.scripting import Argument, raised
from ledger.store import Store
from schemas.endpoints.replay_selection import Only, Selected, Selection
from schemas.errors import NotFound
from schemas.reasons import Reason
from schemas.times import ms

State = Literal["running", "done", "stopped"]

MOST_DELIVERIES = 500
"""About how many deliveries one turn queues."""
PACE = 0.5
"""Seconds between two turns of a replay that its rate holds back."""
_LONGEST_SAVED = 2.0
"""After a pause, a replay may catch up on what its rate allows in so many seconds."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay and how far it is: `matched` deliveries were counted before it began, `queued` have been put into lanes,
    and `delivered` and `failed` are how these ended. `rate` is in deliveries a second."""

    id: str
    selection: Selection
    rate: float
    state: State
    matched: int
    queued: int
    delivered: int
    failed: int
    created_at: float
    ended_at: float | None
    part: int = 0
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Turn:
    """What a replay may do now: queue about ``budget`` deliveries of events that are behind ``cursor`` ("" at the
    start) and were recorded before ``until`` (UNIX seconds)."""

    cell: int
    replay: Replay
    cursor: str
    until: float
    budget: int


class Replays:
    """Create, take turns, queue, stop, read. Which events to send again, history knows."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    async def create(self, selection: Selection, rate: float, matched: Mapping[int, int]) -> Replay:
        """Begin a replay; workers do the rest. ``matched`` deliveries were counted for it in each cell that has
        endpoints for it. Raises `LedgerUnavailable`."""
        replay_id = "rpl_" + secrets.token_hex(12)
        till = "" if selection.until is None else ms(selection.until)
        fields: dict[str, Argument] = {
            "endpoint": selection.endpoint or "",
            "merchant": selection.merchant or "",
            "types": " ".join(selection.types),
            "since": "" if selection.since is None else ms(selection.since),
            "asked_until": till,
            "only": selection.only,
            "include_silent": int(selection.include_silent),
        }
        counted = dict(matched) or {self._cells.number(selection.merchant or ""): 0}
        calls: dict[Store, Sequence[Argument]] = {}
        for part, (cell, count) in enumerate(counted.items()):
            fields |= {
                "rate": rate * (count + 1) / (sum(counted.values()) + len(counted)), "matched": count,
                "part": part, "parts": len(counted), "cell": cell, "cells": len(self._cells),
            }  # fmt: skip
            calls[self._cells[cell]] = [replay_id, str(REPLAY), "", till, len(fields), *flat(fields.items())]
        raised(list((await self._cells.some("create_replay", calls, durable=True, kick=True)).values()))
        return await self.get(replay_id)

    async def turn(self, replay_id: str, now: float, cell: int = 0) -> Turn | float | None:
        """What a replay may queue ``now`` (Redis' time), or the seconds until it may queue more; None after its end.

        Raises `LedgerUnavailable`.
        """
        store = self._cells[cell]
        row = (await hashes(store, [keys.REPLAY(replay_id)]))[0]
        if not row or row["state"] == b"done":
            return None
        if row["state"] == b"stopped":
            return 0.0 if await _take_out(store, replay_id) else None
        replay = load_replay(replay_id, row)
        budget = _budget(replay.rate, now, seconds(row, "queued_at"))
        if budget < 1:
            return max(PACE / 2, (1 - budget) / replay.rate)
        return Turn(cell, replay, row["cursor"].decode(), int(row["until"]) / 1000, int(budget))

    async def queue(self, turn: Turn, selected: Sequence[Selected], cursor: str, *, is_end: bool) -> float | None:
        """Queue what was selected for a turn, and move the replay's cursor. Returns the seconds until the next turn,
        None after the last. If the cursor has moved since the turn began, the same has been queued already. Raises
        `LedgerUnavailable`."""
        rows = [(one.event, one.endpoint, one.merchant) for one in selected]
        args: list[Argument] = [turn.replay.id, turn.cursor, cursor, int(is_end), len(rows), *flat(rows)]
        found = await self._cells[turn.cell].run_and_kick("queue_replay", *args)
        if found == b"moved":
            return PACE
        if is_end:
            return None
        if not selected:
            return 0.0
        pause = int(found) / turn.replay.rate
        return pause if turn.budget >= MOST_DELIVERIES else max(PACE, pause)

    async def stop(self, replay_id: str) -> Replay:
        """Stop a replay and take out what it has queued, except what a worker is sending. If it has ended, nothing
        changes.

        Raises `NotFound`.
        """
        cells = await self._cells.each("read_missing", keys.REPLAY(replay_id))
        for store, (is_missing,) in zip(self._cells, cells, strict=True):
            while not is_missing and await _take_out(store, replay_id):
                pass
        return await self.get(replay_id)

    async def get(self, replay_id: str) -> Replay:
        """The replay of this id. Raises `NotFound`."""
        parts = (await self.parts([replay_id]))[replay_id]
        if not parts:
            raise NotFound(Reason.of("not_found", kind="replay", id=replay_id))
        return added_up(parts)

    async def parts(self, replay_ids: Sequence[str]) -> dict[str, list[Replay]]:
        """The parts of each of these replays that the ledger has."""
        found: dict[str, list[Replay]] = {replay_id: [] for replay_id in replay_ids}
        if found:
            for rows in await self._cells.each("read_hashes", 0, *(keys.REPLAY(name) for name in found)):
                for replay_id, row in zip(found, rows, strict=True):
                    if row:
                        found[replay_id].append(load_replay(replay_id, paired(row)))
        return found


async def _take_out(store: Store, replay_id: str) -> int:
    _state, looked_at = await store.run("stop_replay", replay_id, MOST_DELIVERIES, str(REPLAY), durable=True)
    return int(looked_at)


def is_whole(parts: Collection[Replay]) -> bool:
    """Whether these are all parts of a replay."""
    return bool(parts) and len(parts) == next(iter(parts)).parts


def added_up(parts: Collection[Replay]) -> Replay:
    """A replay from its parts: it runs while one of them does."""
    states = {part.state for part in parts}
    ended = [part.ended_at for part in parts if part.ended_at is not None]
    return replace(
        min(parts, key=lambda part: part.part),
        rate=round(sum(part.rate for part in parts), 6),
        state=next(state for state in ("running", "stopped", "done") if state in states),
        matched=sum(part.matched for part in parts),
        queued=sum(part.queued for part in parts),
        delivered=sum(part.delivered for part in parts),
        failed=sum(part.failed for part in parts),
        created_at=min(part.created_at for part in parts),
        ended_at=None if "running" in states else max(ended, default=None),
    )


def _budget(rate: float, now: float, before: float | None) -> float:
    """How many deliveries may be queued now, when some were queued at ``before``."""
    one = 1 / rate
    elapsed = max(PACE, one) if before is None else min(now - before, max(_LONGEST_SAVED, one))
    return min(MOST_DELIVERIES, elapsed * rate + 1e-6)


def load_replay(replay_id: str, row: Row) -> Replay:
    """The replay of a hash `replay:rpl`."""
    return Replay(
        id=replay_id,
        selection=Selection(
            endpoint=text(row, "endpoint"),
            merchant=text(row, "merchant"),
            types=tuple((text(row, "types") or "").split()),
            since=seconds(row, "since"),
            until=seconds(row, "asked_until"),
            only=cast(Only, row["only"].decode()),
            include_silent=row["include_silent"] == b"1",
        ),
        rate=float(row["rate"]),
        state=cast(State, row["state"].decode()),
        matched=int(row["matched"]),
        queued=int(row["queued"]),
        delivered=int(row["delivered"]),
        failed=int(row["failed"]),
        created_at=seconds(row, "created_at") or 0.0,
        ended_at=seconds(row, "ended_at"),
        part=int(row.get("part") or 0),
        parts=int(row.get("parts") or 1),
    )


def cell_to_restore(replay: Replay, row: Row, cells: int) -> int | None:
    """The cell in which a replay goes on; None for a part of one if the number of cells has changed since."""
    if replay.selection.merchant is not None:
        return cell_of(replay.selection.merchant, cells)
    return int(row["cell"]) if int(row["cells"]) == cells else None
