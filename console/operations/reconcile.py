"""Compare i'mport's payments with the ledger, and refresh those that are missing or differ."""

from __future__ import annotations

import math
import secrets

from console.context import Context
from console.operations import from_history
from console.operations.read_merchants import check_merchant
from console.operations.wait_for_history import HistoryPage, wait_for_history
from history.pages import PageRequest
from ledger.reconciliations import Reconciliation
from schemas.errors import Invalid, NotFound
from schemas.payments.windows import first
from schemas.reasons import Reason


async def start_reconciliation(
    context: Context, merchant: str, since: float, until: float, *, deliver: bool = False, rebuild: bool = False
) -> Reconciliation:
    """Start to compare payments whose latest status is from [since, until), in UNIX seconds; workers do the rest.

    Events that this finds are recorded silently unless `deliver`. With `rebuild` the ledger was lost, so sequences
    begin above all that it can have used. Raises `Invalid`, `NotFound`, and `Conflict` if a rebuild finds payments in
    the ledger.
    """
    # i'mport counts whole seconds.
    begins, ends = math.floor(since), math.ceil(until)
    if begins < 0:
        raise Invalid("since", Reason.of("before_1970"))
    if ends <= begins:
        raise Invalid("until", Reason.of("later_than_since"))
    await check_merchant(context, merchant)
    window = first(begins, ends)
    run = Reconciliation(
        id=f"rec_{secrets.token_hex(12)}",
        merchant=merchant,
        since=begins,
        until=ends,
        deliver=deliver,
        window=(window.since, window.until, window.page),
    )
    return await context.ledger.reconciliations.begin(run, rebuild=rebuild)


async def read_reconciliation(context: Context, run_id: str) -> Reconciliation:
    """A reconciliation that an operator started. Raises `NotFound`."""
    try:
        run = await context.ledger.reconciliations.get(run_id)
    except NotFound:
        run = from_history.reconciliation(await context.history.reconciliations.get(run_id))
    if not run.by_hand:
        raise NotFound(Reason.of("not_found", kind="reconciliation", id=run.id))
    return run


async def list_reconciliations(
    context: Context, part: PageRequest, merchant: str | None = None
) -> HistoryPage[Reconciliation]:
    """Reconciliations that operators started, newest first. Raises `Invalid` and `HistoryUnavailable`."""
    behind = await wait_for_history(context, merchant)
    page = await context.history.reconciliations.list(part, merchant=merchant)
    return HistoryPage(tuple(map(from_history.reconciliation, page.rows)), page.next_cursor, behind)
