"""Replays: many recorded events sent again, at a rate, behind live deliveries.

A replay is a walk through the events that history has, the oldest first, in turns that a worker takes. One script
queues what a turn has selected and moves the replay's cursor, so a killed worker neither loses nor repeats anything.
What was queued is sent from the endpoints' replay lanes; settling counts it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from ledger import keys
from ledger.jobs import REPLAY
from ledger.rows import Row, flat, hashes, seconds, text
from ledger.store import Argument, Store
from schemas.endpoints.replay_selection import Only, Selected, Selection
from schemas.errors import NotFound
from schemas.reasons import Reason

State = Literal["running", "done", "stopped"]

MOST_DELIVERIES = 500
"""Deliveries that one turn queues, about."""
PACE = 0.5
"""Seconds between two turns of a replay that its rate holds back."""
_LONGEST_SAVED = 2.0
"""Seconds of its rate that a replay may make up for after a pause."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay and how far it is: `matched` is the count before it began, `queued` what it has put into lanes, which
    become `delivered` or `failed`. `rate` is in deliveries a second."""

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


@dataclass(frozen=True, slots=True)
class Turn:
    """What a replay may do now: queue ``budget`` deliveries, about, of events behind ``cursor`` ("" at the start) that
    were recorded before ``until`` (UNIX seconds)."""

    replay: Replay
    cursor: str
    until: float
    budget: int


class Replays:
    """Create, take turns, queue, stop, read; what there is to send again is history's."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, selection: Selection, rate: float, matched: int) -> Replay:
        """Begin a replay, for which ``matched`` deliveries were counted; workers do the rest. Raises
        `LedgerUnavailable`."""
        replay_id = "rpl_" + secrets.token_hex(12)
        till = "" if selection.until is None else _ms(selection.until)
        fields: dict[str, Argument] = {
            "endpoint": selection.endpoint or "",
            "merchant": selection.merchant or "",
            "types": " ".join(selection.types),
            "since": "" if selection.since is None else _ms(selection.since),
            "asked_until": till,
            "only": selection.only,
            "include_silent": int(selection.include_silent),
            "rate": rate,
            "matched": matched,
        }
        await self._store.run_and_kick(
            "create_replay",
            replay_id,
            str(REPLAY),
            "",
            till,
            len(fields),
            *flat(fields.items()),
            durable=True,
        )
        return await self.get(replay_id)

    async def turn(self, replay_id: str, now: float) -> Turn | float | None:
        """What a replay may queue ``now`` (Redis' time); or seconds until it may queue something, None after its end.

        Raises `LedgerUnavailable`.
        """
        row = (await hashes(self._store, [keys.REPLAY(replay_id)]))[0]
        if not row or row["state"] == b"done":
            return None
        if row["state"] == b"stopped":
            return 0.0 if await self._take_out(replay_id) else None
        replay = load_replay(replay_id, row)
        budget = _budget(replay.rate, now, seconds(row, "queued_at"))
        if budget < 1:
            return max(PACE / 2, (1 - budget) / replay.rate)
        return Turn(replay, row["cursor"].decode(), int(row["until"]) / 1000, int(budget))

    async def queue(self, turn: Turn, selected: Sequence[Selected], cursor: str, *, is_end: bool) -> float | None:
        """Queue what was selected for a turn, and move the replay's cursor; seconds until the next turn, None after the
        last. Whatever has moved it since the turn began has queued the same. Raises `LedgerUnavailable`."""
        rows = [(one.event, one.endpoint, one.merchant) for one in selected]
        args: list[Argument] = [turn.replay.id, turn.cursor, cursor, int(is_end), len(rows), *flat(rows)]
        found = await self._store.run_and_kick("queue_replay", *args)
        if found == b"moved":
            return PACE
        if is_end:
            return None
        if not selected:
            return 0.0
        pause = int(found) / turn.replay.rate
        return pause if turn.budget >= MOST_DELIVERIES else max(PACE, pause)

    async def stop(self, replay_id: str) -> Replay:
        """Stop a replay and remove what it queued, except what a worker is sending. One that has ended is not changed.

        Raises `NotFound`.
        """
        while await self._take_out(replay_id):
            pass
        return await self.get(replay_id)

    async def get(self, replay_id: str) -> Replay:
        """The replay of this id. Raises `NotFound`."""
        found = await self.some([replay_id])
        if not found:
            raise NotFound(Reason.of("not_found", kind="replay", id=replay_id))
        return found[0]

    async def some(self, replay_ids: Sequence[str]) -> Sequence[Replay]:
        """Those of these replays that the ledger has."""
        rows = await hashes(self._store, [keys.REPLAY(name) for name in replay_ids])
        return [load_replay(name, row) for name, row in zip(replay_ids, rows, strict=True) if row]

    async def _take_out(self, replay_id: str) -> int:
        state, looked_at = await self._store.run("stop_replay", replay_id, MOST_DELIVERIES, str(REPLAY), durable=True)
        if state == b"unknown":
            raise NotFound(Reason.of("not_found", kind="replay", id=replay_id))
        return int(looked_at)


def _budget(rate: float, now: float, before: float | None) -> float:
    """How many deliveries may be queued now, when some were queued at ``before``."""
    one = 1 / rate
    elapsed = max(PACE, one) if before is None else min(now - before, max(_LONGEST_SAVED, one))
    return min(MOST_DELIVERIES, elapsed * rate + 1e-6)


def _ms(at: float) -> int:
    """A time in ms; a part of a millisecond counts as a whole one, so that windows keep their edges."""
    return math.ceil(round(at * 1000, 3))


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
    )
