"""Replays: a worker finds in history the deliveries to send again and queues them at the replay's rate; the endpoints'
replay lanes send them."""

from __future__ import annotations

import orjson
import structlog

from history import History
from history.pages import Place
from history.replayable import Step
from ledger import Ledger
from ledger.replays import PACE, Turn
from schemas.endpoints.replay_selection import Selected

log = structlog.get_logger()

MOST_EVENTS = 500
"""Events that one turn looks at."""


class Replayer:
    """Does the steps of the lane ``job/replay``."""

    def __init__(self, ledger: Ledger, history: History) -> None:
        self._ledger = ledger
        self._history = history

    async def step(self, replay: str, now: float, cell: int = 0) -> float | None:
        """Queue some more deliveries of a replay in a cell; return the seconds until the next step, or None at the end.
        Raises `HistoryUnavailable`: the replay waits while history is away."""
        turn = await self._ledger.replays.turn(replay, now, cell)
        if isinstance(turn, Turn):
            next_in = await self._take(turn)
        else:
            next_in = turn
        if next_in is None:
            log.info("replay_queued", replay=replay)
        return next_in

    async def _take(self, turn: Turn) -> float | None:
        if not await self._is_recorded(turn):
            return PACE
        selection = turn.replay.selection
        recipients = await self._ledger.endpoints.recipients_in(turn.cell, selection)
        after = _load(turn.cursor)
        step = await self._history.replayable.step(recipients, selection, turn.until, after, MOST_EVENTS)
        selected, reached = _within(turn.budget, step)
        payments = {(one.merchant, one.imp_uid) for one in selected if one.imp_uid}
        await self._ledger.cold.fetch(self._history.whole_payments, sorted(payments))
        for event in {one.event for one in selected if not one.imp_uid}:
            await self._ledger.cold.fetch_event(self._history.whole_payments, event)
        cursor = turn.cursor if reached is None else _dump(reached)
        return await self._ledger.replays.queue(turn, selected, cursor, is_end=reached is None)

    async def _is_recorded(self, turn: Turn) -> bool:
        """Whether history has every entry of the cell from before ``turn.until``. Otherwise the replay would miss some
        and end too early."""
        outbox = await self._ledger.outbox.state_of(turn.cell)
        return not outbox.waiting or outbox.now / 1000 - outbox.behind >= turn.until


def _within(budget: int, step: Step) -> tuple[tuple[Selected, ...], Place | None]:
    """The deliveries of a step that the budget allows, rounded up to whole events, and the place that they reach: None
    at the end."""
    if len(step.selected) <= budget:
        return step.selected, step.after
    last = step.selected[max(budget, 1) - 1].at
    return tuple(one for one in step.selected if one.at <= last), last


def _dump(place: Place) -> str:
    return orjson.dumps(place).decode()


def _load(cursor: str) -> Place | None:
    if not cursor:
        return None
    at, n = orjson.loads(cursor)
    return at, n
