"""Exports: every row of a list in one stream, read from history while it is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace

from console.context import Context
from console.operations.read_events import masked_callback
from console.operations.wait_for_history import wait_for_history
from history.export import Format, What, as_recorded
from schemas import wire
from schemas.endpoints.endpoint import ENDPOINT_TYPES
from schemas.outbox.entries import Event
from schemas.reasons import Reason, english, load

Words = Callable[[Reason], str]


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """Which rows are wanted, in which format; the window [since, until) is in UNIX seconds. With `count` the rows are
    counted beforehand, which takes a while if they are many."""

    what: What
    format: Format = "ndjson"
    merchant: str | None = None
    since: float | None = None
    until: float | None = None
    count: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """An export that has begun: its pieces, and how many rows it had then, if it was to count them. History was
    `behind` by so many seconds; 0 if it had everything."""

    rows: int | None
    behind: float
    pieces: AsyncIterator[bytes] = field(repr=False)


async def export_rows(
    context: Context, order: ExportOrder, words: Words = english, *, read_only: bool = False
) -> Export:
    """Begin an export; `read_only` says whether the operator is. `words` puts reasons into words.

    Raises `Invalid` and `HistoryUnavailable`. Reading a piece may raise `HistoryUnavailable`, too.
    """
    behind = await wait_for_history(context)
    rows = await count_rows(context, order.what, order.since, order.until, order.merchant) if order.count else None
    pieces = context.history.exports.stream(
        order.what, order.format, since=order.since, until=order.until, merchant=order.merchant,
        words=lambda reason: words(load(reason)), shown=_masked if read_only else as_recorded,
    )  # fmt: skip
    first = await anext(pieces, b"")
    return Export(rows, behind, _whole(first, pieces))


async def count_rows(
    context: Context, what: What, since: float | None, until: float | None, merchant: str | None = None
) -> int:
    """How many rows such an export has now; the window [since, until) is in UNIX seconds. Raises `Invalid` and
    `HistoryUnavailable`."""
    return await context.history.exports.count(what, since=since, until=until, merchant=merchant)


def _masked(event: Event) -> Event:
    """An event as read-only operators see it."""
    if event.type not in ENDPOINT_TYPES:
        return event
    body = masked_callback(wire.loads(event.body))
    return replace(event, body=wire.dumps(body), detail=wire.dumps(body["data"]).decode())


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
