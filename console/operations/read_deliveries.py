"""Deliveries as operators see them, alone or in a list.

History may know more than the ledger: attempts that the ledger has dropped, and everything newer than the old copy that
Redis came back with. Operators see the attempts of both.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from console.context import Context
from console.operations import from_history
from console.operations.wait_for_history import ANSWER_WITHIN, HistoryPage, wait_for_history
from history.deliveries import RecordedDelivery
from history.pages import PageRequest
from ledger.deliveries import DeliveryView
from schemas.endpoints.delivery import Attempt
from schemas.endpoints.states import DeliveryState
from schemas.errors import HistoryUnavailable, NotFound
from schemas.reasons import Reason

UNSETTLED = ("pending", "held")


async def read_delivery(context: Context, delivery_id: str) -> DeliveryView:
    """One delivery, wherever it is. Raises `NotFound`, and `HistoryUnavailable` if only history can know it."""
    try:
        now = await context.ledger.deliveries.get(delivery_id)
    except NotFound:
        found = await context.history.deliveries.get(delivery_id, patience=ANSWER_WITHIN)
        return (await _shown(context, [found]))[0]
    try:
        recorded = await context.history.deliveries.some([delivery_id], patience=ANSWER_WITHIN)
    except HistoryUnavailable:
        return now
    return _with_recorded(now, recorded.get(delivery_id))


async def list_deliveries(
    context: Context,
    part: PageRequest,
    *,
    endpoint: str | None = None,
    event: str | None = None,
    state: DeliveryState | None = None,
    merchant: str | None = None,
    type_: str | None = None,
) -> HistoryPage[DeliveryView]:
    """Deliveries, newest first. What unsettled deliveries wait for comes from the ledger. Raises `Invalid` and
    `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.deliveries.list(
        part, endpoint=endpoint, event=event, state=state, merchant=merchant, type_=type_
    )
    return HistoryPage(await _shown(context, page.rows), page.next_cursor, behind)


async def deliveries_of_events(
    context: Context, event_ids: Sequence[str], most: int
) -> Mapping[str, Sequence[DeliveryView]]:
    """The deliveries of each of these events, newest first, at most `most` of each. While history is away, only those
    that the ledger has."""
    some = await asyncio.gather(*(context.ledger.deliveries.of_event(event_id) for event_id in event_ids))
    found = dict(zip(event_ids, some, strict=True))
    now = {sent.id: sent for deliveries in some for sent in deliveries}
    try:
        recorded = await context.history.deliveries.of_events(event_ids, patience=ANSWER_WITHIN)
    except HistoryUnavailable:
        return {event_id: found[event_id][:most] for event_id in event_ids}
    known = [_with_recorded(sent, recorded.get(sent.id)) for sent in now.values()]
    others = await _shown(context, [row for identity, row in recorded.items() if identity not in now])
    shown = sorted((*known, *others), key=lambda sent: (sent.created_at, sent.id), reverse=True)
    return {event_id: [sent for sent in shown if sent.event == event_id][:most] for event_id in event_ids}


async def _shown(context: Context, rows: Sequence[RecordedDelivery]) -> tuple[DeliveryView, ...]:
    unsettled = [row.delivery for row in rows if row.delivery.state in UNSETTLED]
    moving = {sent.id: sent for sent in await context.ledger.deliveries.some([sent.id for sent in unsettled])}
    disabled = await _disabled(context, [row.delivery.endpoint for row in rows if row.delivery.state == "held"])
    return tuple(_as_it_is(row, moving.get(row.delivery.id), disabled) for row in rows)


def _as_it_is(row: RecordedDelivery, now: DeliveryView | None, disabled: Mapping[str, Reason | None]) -> DeliveryView:
    """A delivery of a list. If the ledger has changed its state since, it is shown as history had it, so that the list
    keeps to its filters."""
    if now is not None and now.state == row.delivery.state:
        return _with_recorded(now, row)
    return from_history.delivery(row, disabled.get(row.delivery.endpoint))


def _with_recorded(now: DeliveryView, row: RecordedDelivery | None) -> DeliveryView:
    """A delivery of the ledger, with the attempts that only history has. If it is unsettled in either, the ledger's
    version is shown, as the ledger sends it. If it is settled in both, the version with the latest attempt is shown."""
    if row is None:
        return now
    recorded = from_history.delivery(row)
    attempts = _of_both(now.attempts, recorded.attempts)
    if {now.state, recorded.state} & {*UNSETTLED} or not _is_later(recorded.attempts, now.attempts):
        return replace(now, attempts=attempts)
    return replace(recorded, attempts=attempts)


def _of_both(now: Sequence[Attempt], recorded: Sequence[Attempt]) -> tuple[Attempt, ...]:
    """The attempts that the ledger has, and those that only history has, oldest first."""
    there = Counter(map(_moment, now))
    others = []
    for attempt in recorded:
        at = _moment(attempt)
        if there[at] > 0:
            there[at] -= 1
        else:
            others.append(attempt)
    return tuple(sorted((*others, *now), key=_moment))


def _is_later(some: Sequence[Attempt], others: Sequence[Attempt]) -> bool:
    return max(map(_moment, some), default=0) > max(map(_moment, others), default=0)


def _moment(attempt: Attempt) -> int:
    """When it began, in ms, as history stores it."""
    return round(attempt.at * 1000)


async def _disabled(context: Context, endpoints: Sequence[str]) -> Mapping[str, Reason | None]:
    """Why these endpoints are disabled."""
    found = await context.ledger.endpoints.some(list(dict.fromkeys(endpoints))) if endpoints else {}
    return {name: registered.endpoint.disabled_reason for name, registered in found.items()}
