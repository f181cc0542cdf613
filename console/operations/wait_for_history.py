"""Wait until history has caught up with the ledger. Lists are read from history, which is a moment behind."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from console.context import Context
from console.operations.polling import poll
from ledger.outbox import Outbox, OutboxState

PATIENCE = 1.0
"""Seconds for which a list waits until history has the ledger's latest changes."""
ANSWER_WITHIN = 3.0
"""Seconds after which a database that does not answer counts as away."""
_POLL_EVERY = 0.01

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HistoryPage(Generic[T]):
    """Some rows of a list, and the cursor of the rows that follow, if there may be any. History was `behind` by so many
    seconds; 0 if it had everything that the ledger had when the list was requested."""

    rows: tuple[T, ...]
    next_cursor: str | None = None
    behind: float = 0.0


async def wait_for_history(context: Context, merchant: str | None = None) -> float:
    """Wait, up to `PATIENCE`, until history has all earlier changes of the ledger, of one merchant or all.

    Returns 0 if it has; else how many seconds the oldest change has waited to be recorded. Raises `HistoryUnavailable`
    and `LedgerUnavailable`.
    """
    outbox = context.ledger.outbox
    targets = {state.name: state.last for state in await _states(outbox, merchant)}
    began = time.monotonic()

    def has_all(places: Mapping[str, str]) -> bool:
        return _all_reached(places, targets)

    if has_all(await poll(lambda: _places(context, targets), has_all, within=PATIENCE, every=_POLL_EVERY)):
        return 0.0
    waited = time.monotonic() - began
    return max(*(state.behind for state in await _states(outbox, merchant)), waited)


async def _states(outbox: Outbox, merchant: str | None) -> list[OutboxState]:
    return await (outbox.states() if merchant is None else outbox.states_of(merchant))


def _all_reached(places: Mapping[str, str], targets: Mapping[str, str]) -> bool:
    return all(Outbox.reached(places[name], target) for name, target in targets.items())


async def _places(context: Context, outboxes: Iterable[str]) -> Mapping[str, str]:
    return await context.history.places(list(outboxes), ANSWER_WITHIN)
