"""Reconciling: compare i'mport's list of payments with the ledger, and refresh the payments that differ.

i'mport sends a webhook only once, so a reconciliation finds the payments whose webhook was lost.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf
from random import Random

import structlog

from iamport.merchant_clients import MerchantClients
from iamport.responses import first_in_page
from ledger import Ledger
from ledger.constants import AUTO
from ledger.reconciliations import Difference, Reconciliation
from runtime.settings import Settings
from schemas.errors import (
    IamportError,
    IamportFailing,
    IamportRefused,
    NotFound,
    TooMuchAsked,
    WrongCredentials,
)
from schemas.payments.windows import Window, first, is_complete
from schemas.reasons import Reason
from schemas.retry_schedule import jittered, wait
from workers.cold_payments import ColdPayments
from workers.list_pages import after_page, skip_row, smaller_request, stored_window
from workers.page_comparison import OVERLAP, PageComparison, recorded_silently

log = structlog.get_logger()

FULL_EVERY = 86400
"""Seconds between two runs over all of RELAY_LOOKBACK. i'mport lists payments by the time of their latest status, so a
partial cancellation of an old payment is not in a short window."""
REPAIR_WITHIN = 3600.0
"""Seconds after its last comparison in which an operator's run waits for the refreshes of the payments it found."""
SLOWEST_PROBE = 30.0
"""The longest wait, in seconds, between a page that was too slow and a smaller one: only long lists may be slow."""
LONGEST_WAIT = 3600.0
"""The longest ``Retry-After`` of i'mport that is followed, in seconds."""
LONGEST_FAILURE = 86400.0
"""Seconds after which an operator's run ends if i'mport returns no list: automatic runs may be waiting for it."""


class Reconciler:
    """Does the next step of a reconciliation: compares one page of i'mport's list, or counts the repaired payments."""

    def __init__(
        self, settings: Settings, ledger: Ledger, cold: ColdPayments, clients: MerchantClients, rng: Random
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clients = clients
        self._comparison = PageComparison(ledger, cold, settings.expiry_grace)
        self._rng = rng

    async def step(self, job: str, now: float, _cell: int = 0) -> float | None:
        """Do the job's next step at ``now`` (UNIX seconds); return the seconds until the step after it, if any."""
        run = await self._load(job)
        if run is None:
            return None
        if run.state == "done":
            return None if run.by_hand else await self._begin_next_run(run, now)
        if run.window is not None and run.window[0] <= now:
            return await self._compare_page(run, Window(*run.window), now)
        return await self._finish(replace(run, window=None), now)

    async def schedule_all(self) -> None:
        """Schedule the automatic reconciliation of every merchant."""
        if not self._settings.reconcile_every:
            return
        for merchant in await self._ledger.merchants.names():
            if not await self._is_set_up(merchant):
                continue
            # The first automatic run waits, so that an operator can rebuild a lost ledger before it.
            await self._ledger.reconciliations.schedule(merchant, due_in=self._settings.reconcile_every)

    async def _load(self, job: str) -> Reconciliation | None:
        try:
            run = await self._ledger.reconciliations.get(job)
        except NotFound:
            if not job.startswith(AUTO):
                return None
            run = Reconciliation(job, job.removeprefix(AUTO), 0, 0, deliver=True, state="done")
        if not run.by_hand:
            wanted = self._settings.reconcile_every and await self._is_set_up(run.merchant)
            return run if wanted else None
        if run.state == "running" and run.merchant not in await self._ledger.merchants.names():
            await self._ledger.reconciliations.save(
                replace(run, state="done", window=None, trouble=Reason.of("merchant_gone", merchant=run.merchant))
            )
            return None
        return run

    async def _is_set_up(self, merchant: str) -> bool:
        """Whether the merchant was added; the webhooks of `default` are accepted even before that."""
        try:
            await self._ledger.merchants.get(merchant)
        except NotFound:
            return False
        return True

    async def _begin_next_run(self, run: Reconciliation, now: float) -> float:
        """Begin the next automatic run: over the time since the last one, and once a day over all of RELAY_LOOKBACK.

        It waits while an operator's silent run is under way: otherwise it would deliver the events that the silent run
        is about to record.
        """
        if await self._ledger.reconciliations.silent_run(run.merchant):
            return min(self._settings.reconcile_every, 60.0)
        merchant = await self._ledger.merchants.get(run.merchant)
        # A merchant that has just included test payments needs the old ones, too.
        full = now - run.last_full >= FULL_EVERY or merchant.sandbox_since > run.last_full
        since = now - self._settings.lookback if full else run.last_success - OVERLAP
        window = first(int(since), int(now) + 1)
        begun = replace(
            run, since=int(since), until=int(now) + 1, state="running", compared=0, missing=0, repaired=0,
            window=stored_window(window), created_at=now, last_full=now if full else run.last_full,
        )  # fmt: skip
        await self._ledger.reconciliations.save(begun)
        return 0

    async def _compare_page(self, run: Reconciliation, window: Window, now: float) -> float | None:
        """Compare a page with the ledger; wait while the merchant's refreshes are paused."""
        if pause := await self._ledger.reconciliations.pause(run.merchant):
            return pause
        try:
            client = await self._clients.get(run.merchant)
            began = asyncio.get_running_loop().time()
            page = await client.client.page(window.since, window.until, window.page, run.limit)
            took = asyncio.get_running_loop().time() - began
        except TooMuchAsked as error:
            return await self._request_less(run, window, error, now)
        except IamportError as error:
            return await self._retry_list(run, error, now)
        if page.refused:
            log.warning(
                "window_refused", reconciliation=run.id, merchant=run.merchant, since=window.since,
                until=window.until, hint="i'mport answered 400 to its first page; it counts as empty",
            )  # fmt: skip
        complete = is_complete(window, page.total, run.limit)
        run = replace(after_page(run, window, page, took), tries=0, failing_since=0.0, trouble=None)
        if complete:
            compared, differing = await self._comparison.differences(run, page, now)
            await self._ledger.reconciliations.mark_found(run, differing)
            missing = sum(difference.missing for difference in differing.values())
            run = replace(run, compared=run.compared + compared, missing=run.missing + missing, compared_at=now)
        await self._ledger.reconciliations.save(run)
        return 0

    async def _request_less(self, run: Reconciliation, window: Window, error: TooMuchAsked, now: float) -> float | None:
        """Request fewer rows, down to one, after a page that was too large or too slow.

        A single row that is too large is skipped, so that the rows behind it are compared; its payment is refreshed.
        A single row that is too slow means that i'mport is failing.
        """
        named, total = first_in_page(error.begins)
        reduced = smaller_request(run, window)
        if reduced is None:
            if error.slow or named is None:
                return await self._retry_list(run, error, now)
            log.error("row_not_compared", merchant=run.merchant, imp_uid=named, error=str(error))
            skipped = Difference(missing=False, silent=recorded_silently(run))
            await self._ledger.reconciliations.mark_found(run, {named: skipped})
            await self._ledger.reconciliations.save(skip_row(run, window, total))
            return 0
        due_in = self._due_in(run, error, SLOWEST_PROBE) if error.slow else 0.0
        if error.slow:
            since = run.failing_since if run.tries else now
            reduced = replace(reduced, tries=run.tries + 1, failing_since=since, trouble=error.reason)
        log.warning(
            "smaller_page_requested", reconciliation=run.id, merchant=run.merchant, error=str(error),
            rows=reduced.limit, next_in=round(due_in, 1),
        )  # fmt: skip
        await self._ledger.reconciliations.save(reduced)
        return due_in

    def _due_in(self, run: Reconciliation, error: IamportError, longest: float = inf) -> float:
        """Seconds until the list is requested again: by the schedule, or later if i'mport says so."""
        due_in = min(jittered(wait(self._settings.fetch_schedule, run.tries), self._rng), longest)
        if isinstance(error, IamportFailing) and error.retry_after:
            due_in = max(due_in, min(error.retry_after, LONGEST_WAIT))
        return due_in

    async def _retry_list(self, run: Reconciliation, error: IamportError, now: float) -> float | None:
        """Request the list again by RELAY_FETCH_SCHEDULE, or end the run."""
        due_in = self._due_in(run, error)
        since = run.failing_since if run.tries else now
        ended = run.by_hand and now - since >= LONGEST_FAILURE
        run = replace(run, tries=run.tries + 1, failing_since=since, trouble=error.reason)
        if ended:
            run = replace(run, state="done", window=None)
        elif isinstance(error, IamportRefused) and not run.by_hand:
            # i'mport may refuse just this window; the next run has another one.
            run = replace(run, state="done", window=None, last_full=0.0)
        await self._ledger.reconciliations.save(run)
        level = log.error if ended or isinstance(error, WrongCredentials) else log.warning
        level(
            "list_failed", reconciliation=run.id, merchant=run.merchant, error=str(error), tries=run.tries,
            next_in=None if ended else round(due_in, 1),
        )  # fmt: skip
        return None if ended else due_in

    async def _finish(self, run: Reconciliation, now: float) -> float | None:
        if not run.by_hand:
            await self._ledger.reconciliations.count_lost_webhooks(run)
        repaired, left = await self._ledger.reconciliations.count_repaired(run)
        run = replace(run, repaired=min(run.repaired + repaired, run.missing))
        done = not left or now - run.compared_at > REPAIR_WITHIN or not run.by_hand
        if done:
            run = replace(run, state="done", last_success=run.until - 1)
            log.info(
                "reconciled", reconciliation=run.id, merchant=run.merchant, compared=run.compared, missing=run.missing,
                repaired=run.repaired,
            )  # fmt: skip
        await self._ledger.reconciliations.save(run)
        if not done:
            return 0.2 if repaired else 1.0
        return None if run.by_hand else self._settings.reconcile_every
