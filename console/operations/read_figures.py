"""The figures of some days: payments, webhooks and deliveries, summed up by day."""

from __future__ import annotations

from console.context import Context
from console.operations.wait_for_history import wait_for_history
from history.figures import Figures


async def read_figures(
    context: Context, since: float, until: float, *, merchant: str | None = None, offset: int
) -> Figures:
    """Sums of what happened in [since, until), UNIX seconds, of one merchant or all. Days are those `offset` seconds
    east of UTC. Raises `HistoryUnavailable` and `LedgerUnavailable`."""
    await wait_for_history(context)
    return await context.history.figures(since, until, merchant=merchant, offset=offset)
