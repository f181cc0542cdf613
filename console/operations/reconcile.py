"""Compare what i'mport has with the ledger, and repair what is missing."""

from __future__ import annotations

import math
import secrets

from console.context import Context
from ledger.reconciliations import Reconciliation
from schemas.errors import Invalid, NotFound
from schemas.payments.windows import first


async def start_reconciliation(
    context: Context, merchant: str, since: float, until: float, *, deliver: bool = False, rebuild: bool = False
) -> Reconciliation:
    """Start to compare payments whose latest status is of [since, until), UNIX seconds; workers do the rest.

    What is found is recorded silently unless `deliver`. `rebuild`: the ledger was lost, so sequences begin above all
    that it can have used. Raises `Invalid`, `NotFound`, and `Conflict` where a rebuild finds payments.
    """
    # i'mport counts whole seconds.
    begins, ends = math.floor(since), math.ceil(until)
    if begins < 0:
        raise Invalid("since", "must not be before 1970")
    if ends <= begins:
        raise Invalid("until", "must be later than since")
    if merchant not in await context.ledger.merchants.names():
        raise NotFound(f"there is no merchant {merchant!r}")
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
    run = await context.ledger.reconciliations.get(run_id)
    if not run.by_hand:
        raise NotFound(f"there is no reconciliation {run.id!r}")
    return run
