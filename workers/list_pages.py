"""How a reconciliation goes through i'mport's list: reading a page, on behind it, to less where one was too much."""

from __future__ import annotations

from dataclasses import replace

import structlog

from iamport.client import TIMEOUT
from iamport.http_exchange import LARGEST_RESPONSE
from iamport.responses import PaymentPage
from ledger.offload import offload
from ledger.reconciliations import Reconciliation
from schemas.errors import MalformedPayment
from schemas.payments.snapshot import Snapshot, history_rows
from schemas.payments.windows import Window, drifted, following, larger_limit, narrower

log = structlog.get_logger()

MOST_NAMED = 5
"""Payments that one line of the log names."""


async def read(run: Reconciliation, page: PaymentPage) -> tuple[list[Snapshot], set[str]]:
    """The payments of a page, and the imp_uids of rows that cannot be read; rows without one are only told of."""
    shown: list[Snapshot] = []
    bad = list(page.malformed)
    for row in page.rows:
        try:
            shown.append(await offload(Snapshot.parse, row, rows=history_rows(row)))
        except MalformedPayment as error:
            bad.append(error)
    unreadable = {error.imp_uid for error in bad if error.imp_uid is not None}
    if bad:
        log.warning(
            "rows_not_compared", reconciliation=run.id, merchant=run.merchant, rows=len(bad), error=str(bad[0]),
            imp_uids=sorted(unreadable)[:MOST_NAMED], hint="those with an imp_uid are looked at one by one",
        )  # fmt: skip
    return shown, unreadable


def behind(run: Reconciliation, window: Window, page: PaymentPage, took: float) -> Reconciliation:
    """The run behind a page that came within ``took`` seconds: what it asks for next, and how much of it."""
    back = drifted(window, run.listed, page.total, run.limit)
    ahead = back or following(window, run.until, page.total, page.size, run.limit)
    within = back is not None or (ahead is not None and ahead.page > 1)
    limit = (
        run.limit if within else larger_limit(run.limit, page.size, page.body_bytes / LARGEST_RESPONSE, took / TIMEOUT)
    )
    return replace(run, window=as_tuple(ahead), limit=limit, listed=page.total if within else 0)


def smaller(run: Reconciliation, window: Window) -> Reconciliation | None:
    """The run with less to ask for than what was too much; None where that was one row alone."""
    found = narrower(window, run.limit)
    return None if found is None else replace(run, window=as_tuple(found[0]), limit=found[1])


def without(run: Reconciliation, window: Window, total: int | None) -> Reconciliation:
    """The run behind one row that no answer can hold; behind its whole second where nobody knows how many are there."""
    if total is not None and window.page < total:
        return replace(run, window=as_tuple(replace(window, page=window.page + 1)))
    return replace(run, window=as_tuple(following(window, run.until, 0, 0, run.limit)), listed=0)


def as_tuple(window: Window | None) -> tuple[int, int, int] | None:
    """A window as it is stored."""
    return None if window is None else (window.since, window.until, window.page)
