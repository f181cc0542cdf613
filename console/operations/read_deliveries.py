"""Deliveries as operators see them, alone or in a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from console.context import Context
from console.operations import from_history
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.deliveries import RecordedDelivery
from history.pages import PageRequest
from ledger.deliveries import DeliveryView
from schemas.endpoints.states import DeliveryState
from schemas.errors import HistoryUnavailable, NotFound
from schemas.reasons import Reason

UNSETTLED = ("pending", "held")


async def read_delivery(context: Context, delivery_id: str) -> DeliveryView:
    """One delivery, wherever it is. Raises `NotFound`."""
    try:
        return await context.ledger.deliveries.get(delivery_id)
    except NotFound:
        return (await _shown(context, [await context.history.deliveries.get(delivery_id)]))[0]


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
    """Deliveries, newest first; what the unsettled ones wait for is as the ledger knows it. Raises `Invalid` and
    `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.deliveries.list(
        part, endpoint=endpoint, event=event, state=state, merchant=merchant, type_=type_
    )
    return HistoryPage(await _shown(context, page.rows), page.next_cursor, behind)


async def deliveries_of_event(context: Context, event_id: str, most: int) -> Sequence[DeliveryView]:
    """The deliveries of one event, the newest first: where the ledger has some, it has all of them. None while history,
    which may have others, is away."""
    if found := await context.ledger.deliveries.of_event(event_id):
        return found[:most]
    try:
        page = await context.history.deliveries.list(PageRequest(most), event=event_id)
    except HistoryUnavailable:
        return ()
    return await _shown(context, page.rows)


async def _shown(context: Context, rows: Sequence[RecordedDelivery]) -> tuple[DeliveryView, ...]:
    unsettled = [row.delivery for row in rows if row.delivery.state in UNSETTLED]
    moving = {sent.id: sent for sent in await context.ledger.deliveries.some([sent.id for sent in unsettled])}
    disabled = await _disabled(context, [row.delivery.endpoint for row in rows if row.delivery.state == "held"])
    return tuple(_as_it_is(row, moving.get(row.delivery.id), disabled) for row in rows)


def _as_it_is(row: RecordedDelivery, now: DeliveryView | None, disabled: Mapping[str, Reason | None]) -> DeliveryView:
    """One that the ledger has settled since stays as history had it, so that a list keeps to its filters."""
    if now is not None and now.state == row.delivery.state:
        return now
    return from_history.delivery(row, disabled.get(row.delivery.endpoint))


async def _disabled(context: Context, endpoints: Sequence[str]) -> Mapping[str, Reason | None]:
    """Why these endpoints are disabled."""
    found = await context.ledger.endpoints.some(list(dict.fromkeys(endpoints))) if endpoints else {}
    return {name: registered.endpoint.disabled_reason for name, registered in found.items()}
