"""Replays: many recorded events sent again, at a rate, behind live deliveries.

A replay is a walk through the recorded events, the oldest first, in steps that a worker does. Each step is one script,
which queues deliveries and moves the replay's cursor together, so a killed worker neither loses nor repeats
nothing. What was queued is sent from the endpoints' replay lanes; settling counts it.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, cast

from ledger import keys
from ledger.endpoint_rows import filters
from ledger.endpoints import Endpoints
from ledger.jobs import REPLAY
from ledger.pages import Page, PageRequest, walk
from ledger.rows import Row, flat, hashes, seconds, text
from ledger.store import Argument, Store
from schemas.endpoints.endpoint import ENDPOINT_TYPES, EVERYTHING, PAYMENT_TYPES, wants
from schemas.errors import NotFound
from schemas.reasons import Reason

Only = Literal["undelivered", "dead", "all"]
State = Literal["running", "done", "stopped"]

MOST_EVENTS = 500
"""Events that one step considers."""
MOST_DELIVERIES = 500
"""Deliveries that one step queues, about."""
_ANY_NUMBER = 1_000_000_000
PACE = 0.5
"""Seconds between two steps of a replay that its rate holds back."""
_LONGEST_SAVED = 2.0
"""Seconds of its rate that a replay may make up for after a pause."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What to send again, and to whom. Times are UNIX seconds; empty `types` mean all; without `endpoint` it is every
    endpoint of the event's merchant that subscribes to it now.

    `undelivered` is every event that the endpoint never got; a pending delivery is never replayed.
    """

    endpoint: str | None = None
    merchant: str | None = None
    types: tuple[str, ...] = ()
    since: float | None = None
    until: float | None = None
    only: Only = "undelivered"
    include_silent: bool = False


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
class Stretch:
    """The events that a replay has yet to walk through: recorded after `after` and before `until` (ms)."""

    selection: Selection
    after: int
    until: int


PutBack = Callable[[Stretch], Awaitable[int]]


class Replays:
    """Count, create, step, stop, read."""

    def __init__(self, store: Store, endpoints: Endpoints) -> None:
        self._store = store
        self._endpoints = endpoints

    async def count(self, selection: Selection) -> int:
        """How many deliveries a replay of this selection would queue now. Raises `LedgerUnavailable`."""
        till = await self._until(selection)
        cursor, matched, is_end = _start(selection), 0, 0
        while not is_end:
            is_end, reached, found = await self._store.run_and_kick(
                "walk_replay", "", cursor, till, *_which(selection, _ANY_NUMBER)
            )
            cursor, matched = reached.decode(), matched + found
        return matched

    async def create(self, selection: Selection, rate: float) -> Replay:
        """Begin a replay; workers do the rest. Raises `LedgerUnavailable`."""
        matched = await self.count(selection)
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
            _start(selection),
            till,
            len(fields),
            *flat(fields.items()),
            durable=True,
        )
        return await self.get(replay_id)

    async def step(self, replay_id: str, now: float, put_back: PutBack | None = None) -> float | None:
        """Queue what the rate allows ``now`` (Redis' time); return seconds until the next step, None after the last.
        ``put_back`` puts back what has left of a stretch of events, and says until when (ms) they are all here.

        Raises `LedgerUnavailable`, and whatever ``put_back`` raises.
        """
        row = (await hashes(self._store, [keys.REPLAY(replay_id)]))[0]
        if not row or row["state"] == b"done":
            return None
        if row["state"] == b"stopped":
            return 0.0 if await self._take_out(replay_id) else None
        replay = _replay(replay_id, row)
        budget = _budget(replay.rate, now, seconds(row, "queued_at"))
        if budget < 1:
            return max(PACE / 2, (1 - budget) / replay.rate)
        until = int(row["until"])
        here = until
        if put_back is not None and row["walked"] != b"1":
            here = min(until, await put_back(Stretch(replay.selection, int(float(row["cursor"])), until)))
        is_end, _, found = await self._store.run_and_kick(
            "walk_replay", replay_id, row["cursor"], here, *_which(replay.selection, int(budget), until)
        )
        if is_end:
            return None
        if found < int(budget):
            return 0.0
        pause = int(found) / replay.rate
        return pause if budget >= MOST_DELIVERIES else max(PACE, pause)

    async def recipients(self, selection: Selection) -> list[tuple[str, str, tuple[str, ...]]]:
        """The endpoints that a selection is sent to: each with its merchant and the types of events that it gets."""
        ids = [selection.endpoint] if selection.endpoint is not None else await self._endpoints.states()
        found = await self._endpoints.some(list(ids))
        chosen = selection.types or (EVERYTHING,)
        names = [name for name in (*PAYMENT_TYPES, *ENDPOINT_TYPES) if wants(chosen, name)]
        return [
            (one.endpoint.id, one.endpoint.merchant, tuple(name for name in names if wants(one.endpoint.types, name)))
            for one in found.values()
            if one.state != "deleted" and selection.merchant in (None, one.endpoint.merchant)
        ]

    async def stop(self, replay_id: str) -> Replay:
        """Stop a replay and remove what it queued, except what a worker is sending. One that has ended is not changed.

        Raises `NotFound`.
        """
        while await self._take_out(replay_id):
            pass
        return await self.get(replay_id)

    async def get(self, replay_id: str) -> Replay:
        """The replay of this id. Raises `NotFound`."""
        row = (await hashes(self._store, [keys.REPLAY(replay_id)]))[0]
        if not row:
            raise NotFound(Reason.of("not_found", kind="replay", id=replay_id))
        return _replay(replay_id, row)

    async def list(self, part: PageRequest) -> Page[Replay]:
        """Replays, newest first."""
        page = await walk(self._store, [keys.REPLAYS()], part=part)
        rows = await hashes(self._store, [keys.REPLAY(name) for name in page.rows])
        found = tuple(_replay(name, row) for name, row in zip(page.rows, rows, strict=True) if row)
        return Page(found, page.next_cursor)

    async def _take_out(self, replay_id: str) -> int:
        state, looked_at = await self._store.run("stop_replay", replay_id, MOST_DELIVERIES, str(REPLAY), durable=True)
        if state == b"unknown":
            raise NotFound(Reason.of("not_found", kind="replay", id=replay_id))
        return int(looked_at)

    async def _until(self, selection: Selection) -> int:
        now = await self._store.now()
        return _ms(now if selection.until is None else min(selection.until, now))


def _start(selection: Selection) -> str:
    """The cursor before the first event: everything recorded later than that is walked."""
    return "0" if selection.since is None else str(max(0, _ms(selection.since) - 1))


def _which(selection: Selection, most_deliveries: int, until: int | None = None) -> list[Argument]:
    """Which events to send again and to whom, as the script reads it."""
    chosen = selection.types or (EVERYTHING,)
    types = [(name, filters(name)) for name in (*PAYMENT_TYPES, *ENDPOINT_TYPES) if wants(chosen, name)]
    return [
        "" if until is None else until,
        selection.merchant or "",
        selection.endpoint or "",
        selection.only,
        int(selection.include_silent),
        MOST_EVENTS,
        most_deliveries,
        len(types),
        *flat(types),
    ]


def _budget(rate: float, now: float, before: float | None) -> float:
    """How many deliveries may be queued now, when some were queued at ``before``."""
    one = 1 / rate
    elapsed = max(PACE, one) if before is None else min(now - before, max(_LONGEST_SAVED, one))
    return min(MOST_DELIVERIES, elapsed * rate + 1e-6)


def _ms(at: float) -> int:
    """A time in ms; a part of a millisecond counts as a whole one, so that windows keep their edges."""
    return math.ceil(round(at * 1000, 3))


def _replay(replay_id: str, row: Row) -> Replay:
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
