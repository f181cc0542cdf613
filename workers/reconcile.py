"""Reconciling: what i'mport lists is compared with the ledger, and what differs is looked at.

i'mport sends a webhook once; this is how one that never came is made up for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import inf
from random import Random

import structlog

from iamport.merchant_clients import MerchantClients
from iamport.responses import PaymentPage, first_in_page
from ledger import Ledger
from ledger.merchants import Merchant
from ledger.offload import offload
from ledger.reconciliations import AUTO, Difference, Reconciliation
from runtime.settings import Settings
from schemas.errors import (
    IamportError,
    IamportFailing,
    IamportRefused,
    NotFound,
    TooMuchAsked,
    WrongCredentials,
)
from schemas.payments.channels import hidden_test_payment, silent_before
from schemas.payments.derive_facts import new_facts
from schemas.payments.events import event_id
from schemas.payments.facts import Fact, FactKind, Facts
from schemas.payments.retractions import contradicted
from schemas.payments.snapshot import Snapshot
from schemas.payments.windows import Window, first, is_complete
from schemas.schedule import jittered, wait
from workers.list_pages import as_tuple, behind, read, smaller, without

log = structlog.get_logger()

OVERLAP = 3600
FULL_EVERY = 86400
"""i'mport lists by the time of the latest status: a partial cancellation of an old payment hides from short windows."""
ANNOUNCED = (FactKind.ISSUED, FactKind.PAID, FactKind.DEPOSITED)
"""Facts that i'mport always sends a webhook for; a cancellation through the API is announced only on request."""
GIVES_UP_AFTER = 3600.0
SLOWEST_PROBE = 30.0
"""Seconds between a page that was too slow and a smaller one, at most: i'mport may be well but for its long lists."""
LONGEST_WAIT = 3600.0
"""Seconds: what i'mport asks for in a ``Retry-After`` counts up to here."""
FAILS_FOR = 86400.0
"""Seconds for which an operator's run is tried while no list comes; automatic runs may be waiting for its end."""


class Reconciler:
    """Does the next step of a reconciliation: one page of i'mport's list, or a check of what was found."""

    def __init__(self, settings: Settings, ledger: Ledger, accounts: MerchantClients, rng: Random) -> None:
        self._settings = settings
        self._ledger = ledger
        self._accounts = accounts
        self._rng = rng

    async def step(self, job: str, now: float) -> float | None:
        """The job's next step; seconds until the one after it."""
        run = await self._load(job)
        if run is None:
            return None
        if run.state == "done":
            return None if run.by_hand else await self._begin_again(run, now)
        if run.window is not None and run.window[0] <= now:
            return await self._compare(run, Window(*run.window), now)
        return await self._finish(replace(run, window=None), now)

    async def schedule_all(self) -> None:
        """See that every merchant is reconciled by itself."""
        if not self._settings.reconcile_every:
            return
        for merchant in await self._ledger.merchants.names():
            if not await self._is_set_up(merchant):
                continue
            # A ledger that was lost gets its operator's rebuild before it is filled by itself.
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
                replace(run, state="done", window=None, trouble=f"there is no merchant {run.merchant!r} any more")
            )
            return None
        return run

    async def _is_set_up(self, merchant: str) -> bool:
        """Whether somebody added the merchant: `default` takes webhooks before that."""
        try:
            await self._ledger.merchants.get(merchant)
        except NotFound:
            return False
        return True

    async def _begin_again(self, run: Reconciliation, now: float) -> float:
        """The next automatic run: since the last success, and once a day everything that is kept.

        It waits while an operator's run records silently what this one would send.
        """
        if await self._ledger.reconciliations.silent_run(run.merchant):
            return min(self._settings.reconcile_every, 60.0)
        merchant = await self._ledger.merchants.get(run.merchant)
        # Payments of test channels are new to a merchant that has come to include them, however old they are.
        full = now - run.last_full >= FULL_EVERY or merchant.sandbox_since > run.last_full
        since = now - self._settings.lookback if full else run.last_success - OVERLAP
        window = first(int(since), int(now) + 1)
        begun = replace(
            run, since=int(since), until=int(now) + 1, state="running", compared=0, missing=0, repaired=0,
            window=as_tuple(window), created_at=now, last_full=now if full else run.last_full,
        )  # fmt: skip
        await self._ledger.reconciliations.save(begun)
        return 0

    async def _compare(self, run: Reconciliation, window: Window, now: float) -> float | None:
        """Compare a page; while payments wait for i'mport, so does this."""
        if pause := await self._ledger.reconciliations.pause(run.merchant):
            return pause
        try:
            account = await self._accounts.get(run.merchant)
            asked_at = asyncio.get_running_loop().time()
            page = await account.client.page(window.since, window.until, window.page, run.limit)
            took = asyncio.get_running_loop().time() - asked_at
        except TooMuchAsked as error:
            return await self._ask_for_less(run, window, error, now)
        except IamportError as error:
            return await self._failed(run, error, now)
        if page.turned_down:
            log.warning(
                "window_turned_down", reconciliation=run.id, merchant=run.merchant, since=window.since,
                until=window.until, hint="i'mport answered 400 to its first page; taken for an empty one",
            )  # fmt: skip
        whole = is_complete(window, page.total, run.limit)
        run = replace(behind(run, window, page, took), tries=0, failing_since=0.0, trouble="")
        if whole:
            compared, differing = await self._differing(run, page, now)
            await self._ledger.reconciliations.mark_found(run, differing)
            missing = sum(difference.missing for difference in differing.values())
            run = replace(run, compared=run.compared + compared, missing=run.missing + missing, compared_at=now)
        await self._ledger.reconciliations.save(run)
        return 0

    async def _ask_for_less(self, run: Reconciliation, window: Window, error: TooMuchAsked, now: float) -> float | None:
        """A page was too large or too slow: a smaller part of it, down to one row.

        A row that is too large alone is left out, as nothing behind it would ever be compared; its payment is looked
        at by itself. One that is too slow alone is i'mport failing.
        """
        named, total = first_in_page(error.begins)
        reduced = smaller(run, window)
        if reduced is None:
            if error.slow or named is None:
                return await self._failed(run, error, now)
            log.error("row_not_compared", merchant=run.merchant, imp_uid=named, error=str(error))
            await self._ledger.reconciliations.mark_found(run, {named: Difference(missing=False, silent=_quiet(run))})
            await self._ledger.reconciliations.save(without(run, window, total))
            return 0
        due_in = self._due_in(run, error, SLOWEST_PROBE) if error.slow else 0.0
        if error.slow:
            since = run.failing_since if run.tries else now
            reduced = replace(reduced, tries=run.tries + 1, failing_since=since, trouble=str(error))
        log.warning(
            "list_asked_for_in_parts", reconciliation=run.id, merchant=run.merchant, error=str(error),
            rows=reduced.limit, next_in=round(due_in, 1),
        )  # fmt: skip
        await self._ledger.reconciliations.save(reduced)
        return due_in

    def _due_in(self, run: Reconciliation, error: IamportError, longest: float = inf) -> float:
        """Seconds until the list is asked for again: by the schedule, and as long as i'mport says."""
        due_in = min(jittered(wait(self._settings.fetch_schedule, run.tries), self._rng), longest)
        if isinstance(error, IamportFailing) and error.retry_after:
            due_in = max(due_in, min(error.retry_after, LONGEST_WAIT))
        return due_in

    async def _failed(self, run: Reconciliation, error: IamportError, now: float) -> float | None:
        """The list did not come: again by the schedule of everything that i'mport fails at."""
        due_in = self._due_in(run, error)
        since = run.failing_since if run.tries else now
        over = run.by_hand and now - since >= FAILS_FOR
        run = replace(run, tries=run.tries + 1, failing_since=since, trouble=str(error))
        if over:
            run = replace(run, state="done", window=None)
        elif isinstance(error, IamportRefused) and not run.by_hand:
            # Maybe no to this window: the next one reaches from the last success to then, or is once more a full one.
            run = replace(run, state="done", window=None, last_full=0.0)
        await self._ledger.reconciliations.save(run)
        level = log.error if over or isinstance(error, WrongCredentials) else log.warning
        level(
            "list_failed", reconciliation=run.id, merchant=run.merchant, error=str(error), tries=run.tries,
            next_in=None if over else round(due_in, 1),
        )  # fmt: skip
        return None if over else due_in

    async def _differing(self, run: Reconciliation, page: PaymentPage, now: float) -> tuple[int, dict[str, Difference]]:
        """How many payments of a page were compared, and those to look at: the ledger lacks facts that they show,
        i'mport has taken something back, or their rows could not be read. Those that do not exist for the merchant are
        passed over."""
        merchant = await self._ledger.merchants.get(run.merchant)
        shown, unreadable = await read(run, page)
        snapshots = [snapshot for snapshot in shown if hidden_test_payment(snapshot, merchant) is None]
        known = await self._ledger.reconciliations.facts(run.merchant, [snapshot.imp_uid for snapshot in snapshots])
        quiet = _quiet(run)
        differing = {imp_uid: Difference(missing=False, silent=quiet) for imp_uid in unreadable}
        for snapshot in snapshots:
            facts, grace = known[snapshot.imp_uid], self._settings.expiry_grace
            news = await offload(_news, facts, snapshot, now, grace, rows=len(facts) + len(snapshot.deposits))
            if news:
                announced = None if run.by_hand else _announced_at(news, snapshot, merchant)
                # In whole seconds: whatever a test payment shows of the second in which these were included is older.
                old = snapshot.sandbox and all(fact.at <= merchant.sandbox_since for fact in news)
                differing[snapshot.imp_uid] = Difference(announced_at=announced, silent=True if old else quiet)
        others = [row for row in snapshots if row.imp_uid not in differing]
        again = await self._taken_back(run, others, known) + await self._left_pending(run, others, merchant)
        differing |= {imp_uid: Difference(missing=False, silent=quiet) for imp_uid in again}
        return len(snapshots), differing

    async def _taken_back(
        self, run: Reconciliation, snapshots: Sequence[Snapshot], known: Mapping[str, Facts]
    ) -> list[str]:
        """The payments of which i'mport lists less, or again more, than counts as its word. These are no facts that
        were missed, so nobody counts them."""
        told = await self._ledger.reconciliations.contradicts(run.merchant, [row.imp_uid for row in snapshots])
        found = []
        for snapshot in snapshots:
            imp_uid, facts = snapshot.imp_uid, known[snapshot.imp_uid]
            gone = await offload(contradicted, facts, snapshot, rows=len(facts))
            if imp_uid in told and [event_id(run.merchant, imp_uid, key) for key in gone] != list(told[imp_uid]):
                found.append(imp_uid)
        return found

    async def _left_pending(self, run: Reconciliation, snapshots: Sequence[Snapshot], merchant: Merchant) -> list[str]:
        """In a full run of a merchant that has come to include test payments: those whose cancellation is pending.
        While the merchant did not include them nobody looked at them; the look that this asks for plans the next."""
        is_full = run.last_full == run.created_at and not run.by_hand
        if not is_full or not merchant.sandbox_since:
            return []
        tests = [snapshot.imp_uid for snapshot in snapshots if snapshot.sandbox]
        return sorted(await self._ledger.reconciliations.pending(run.merchant, tests))

    async def _finish(self, run: Reconciliation, now: float) -> float | None:
        if not run.by_hand:
            await self._ledger.reconciliations.count_lost_webhooks(run)
        repaired, left = await self._ledger.reconciliations.count_repaired(run)
        run = replace(run, repaired=min(run.repaired + repaired, run.missing))
        done = not left or now - run.compared_at > GIVES_UP_AFTER or not run.by_hand
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


def _announced_at(news: Iterable[Fact], snapshot: Snapshot, merchant: Merchant) -> float | None:
    """Since when i'mport should have sent a webhook of these facts; None where it need not have."""
    since = max(silent_before(snapshot, merchant), merchant.created_at - OVERLAP)
    return min((fact.at for fact in news if fact.kind in ANNOUNCED and fact.at >= since), default=None)


def _quiet(run: Reconciliation) -> bool | None:
    """Whether what a run's looks find is recorded silently; None for an automatic one, which decides nothing."""
    return not run.deliver if run.by_hand else None


def _news(known: Facts, snapshot: Snapshot, now: float, grace: float) -> tuple[Fact, ...]:
    return new_facts(known, snapshot, int(now), grace=grace)
