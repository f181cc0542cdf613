"""How a reconciliation pages through i'mport's list: read a page, then request the next one, or fewer rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from iamport.client import TIMEOUT
from iamport.http_exchange import LARGEST_RESPONSE
from iamport.responses import PaymentPage
from ledger.offload import offload
from ledger.reconciliations import Reconciliation
from schemas.errors import MalformedPayment
from schemas.payments.snapshot import Snapshot, history_rows
from schemas.payments.windows import Window, drifted, following, larger_limit, narrower
from workers.refresh_log import MOST_NAMED

log = structlog.get_logger()


async def read_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[list[Snapshot], list[MalformedPayment]]:
    """The payments of these rows, and the errors of unreadable rows."""
    shown: list[Snapshot] = []
    malformed: list[MalformedPayment] = []
    for row in rows:
        try:
            shown.append(await offload(Snapshot.parse, row, rows=history_rows(row)))
        except MalformedPayment as error:
            malformed.append(error)
    return shown, malformed


def log_unreadable(run: Reconciliation, malformed: Sequence[MalformedPayment]) -> set[str]:
    """Log the rows of a page that cannot be read, and return their imp_uids; rows without one are only logged."""
    unreadable = {error.imp_uid for error in malformed if error.imp_uid is not None}
    if malformed:
        log.warning(
            "rows_not_compared", reconciliation=run.id, merchant=run.merchant, rows=len(malformed),
            error=str(malformed[0]), imp_uids=sorted(unreadable)[:MOST_NAMED],
            hint="those with an imp_uid are looked up one by one",
        )  # fmt: skip
    return unreadable


def after_page(run: Reconciliation, window: Window, page: PaymentPage, took: float) -> Reconciliation:
    """The run after a page that took ``took`` seconds: the window and the number of rows that it requests next."""
    repeated = drifted(window, run.listed, page.total, run.limit)
    upcoming = repeated or following(window, run.until, page.total, page.size, run.limit)
    same_second = repeated is not None or (upcoming is not None and upcoming.page > 1)
    if same_second:
        return replace(run, window=stored_window(upcoming), listed=page.total)
    limit = larger_limit(run.limit, page.size, page.body_bytes / LARGEST_RESPONSE, took / TIMEOUT)
    return replace(run, window=stored_window(upcoming), limit=limit, listed=0)


def smaller_request(run: Reconciliation, window: Window) -> Reconciliation | None:
    """The run that requests fewer rows next; None if the last request was for one row."""
    narrowed = narrower(window, run.limit)
    return None if narrowed is None else replace(run, window=stored_window(narrowed[0]), limit=narrowed[1])


def skip_row(run: Reconciliation, window: Window, total: int | None) -> Reconciliation:
    """The run that skips a row too large for any answer; it skips the row's whole second if ``total`` is unknown."""
    if total is not None and window.page < total:
        return replace(run, window=stored_window(replace(window, page=window.page + 1)))
    return replace(run, window=stored_window(following(window, run.until, 0, 0, run.limit)), listed=0)


def stored_window(window: Window | None) -> tuple[int, int, int] | None:
    """A window as it is stored."""
    return None if window is None else (window.since, window.until, window.page)
