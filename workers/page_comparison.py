"""How a reconciliation compares a page of i'mport's list with the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from iamport.responses import PaymentPage
from ledger import Ledger
from ledger.merchants import Merchant
from ledger.offload import offload
from ledger.reconciliations import Difference, Reconciliation
from schemas.payments.channels import hidden_test_payment, silent_before
from schemas.payments.decide import Record
from schemas.payments.derive_facts import new_facts
from schemas.payments.erased_record import has_erased_account, without_buyer
from schemas.payments.events import event_id
from schemas.payments.facts import Fact, FactKind, Facts
from schemas.payments.retractions import contradicted
from schemas.payments.snapshot import Snapshot
from workers.cold_payments import ColdPayments
from workers.list_pages import log_unreadable, read_rows

OVERLAP = 3600
"""Seconds by which an automatic run begins before the end of the last one."""
ANNOUNCED = (FactKind.ISSUED, FactKind.PAID, FactKind.DEPOSITED)
"""Facts that i'mport always sends a webhook for; a cancellation through the API is announced only on request."""
ROWS_AT_ONCE = 100
"""Rows that are compared together. Comparing a row takes several times its size in memory, and a process is slow to
return memory that it once used."""


class PageComparison:
    """Finds the payments of a page that need a refresh. ``expiry_grace`` is in seconds."""

    def __init__(self, ledger: Ledger, cold: ColdPayments, expiry_grace: float) -> None:
        self._ledger = ledger
        self._cold = cold
        self._grace = expiry_grace

    async def differences(
        self, run: Reconciliation, page: PaymentPage, now: float
    ) -> tuple[int, dict[str, Difference]]:
        """How many payments were compared, and those that need a refresh, by imp_uid.

        A payment needs one if the ledger lacks facts that its row shows, if i'mport contradicts announced facts in a
        new way, if its row is unreadable, or if its cancellation became pending before its merchant included test
        payments. Hidden test payments are skipped. Payments that have left the ledger are compared with history.

        Raises `HistoryUnavailable`.
        """
        merchant = await self._ledger.merchants.get(run.merchant)
        compared, differing = 0, dict[str, Difference]()
        malformed = list(page.malformed)
        for start in range(0, len(page.rows), ROWS_AT_ONCE):
            shown, unreadable = await read_rows(page.rows[start : start + ROWS_AT_ONCE])
            snapshots = [snapshot for snapshot in shown if hidden_test_payment(snapshot, merchant) is None]
            differing |= await self._differing(run, snapshots, merchant, now)
            compared += len(snapshots)
            malformed += unreadable
        return compared, dict.fromkeys(log_unreadable(run, malformed), _unchanged(run)) | differing

    async def _differing(
        self, run: Reconciliation, snapshots: Sequence[Snapshot], merchant: Merchant, now: float
    ) -> dict[str, Difference]:
        known, left = await self._ledger.reconciliations.facts(run.merchant, [row.imp_uid for row in snapshots])
        unknown = [snapshot for snapshot in snapshots if not known[snapshot.imp_uid]]
        cold = await self._cold.records(run.merchant, unknown, left=left, now=now)
        known |= {imp_uid: record.facts for imp_uid, record in cold.items()}
        differing = await self._with_missing_facts(run, snapshots, known, merchant, now)
        others = [snapshot for snapshot in snapshots if snapshot.imp_uid not in differing]
        differing |= dict.fromkeys(await self._contradicted(run, others, known, cold), _unchanged(run))
        differing |= dict.fromkeys(await self._pending(run, others, merchant), _unchanged(run))
        return differing

    async def _with_missing_facts(
        self,
        run: Reconciliation,
        snapshots: Sequence[Snapshot],
        known: Mapping[str, Facts],
        merchant: Merchant,
        now: float,
    ) -> dict[str, Difference]:
        found = {}
        forgotten_until = await self._cold.forgotten_until(run.merchant, now)
        for snapshot in snapshots:
            facts = known[snapshot.imp_uid]
            rows = len(facts) + len(snapshot.deposits)
            missing = await offload(_missing_facts, facts, snapshot, now, self._grace, rows=rows)
            if missing:
                announced = None if run.by_hand else _announced_at(missing, snapshot, merchant, forgotten_until)
                # Facts have whole seconds: one of the second in which test payments were included counts as older.
                old = snapshot.sandbox and all(fact.at <= merchant.sandbox_since for fact in missing)
                silent = True if old else recorded_silently(run)
                found[snapshot.imp_uid] = Difference(announced_at=announced, silent=silent)
        return found

    async def _contradicted(
        self,
        run: Reconciliation,
        snapshots: Sequence[Snapshot],
        known: Mapping[str, Facts],
        cold: Mapping[str, Record],
    ) -> list[str]:
        """The payments whose row no longer contradicts the same announced facts as their record says: i'mport has
        stopped showing some, or shows some again. No webhook was lost, so these payments do not count as missing."""
        marked: dict[str, Sequence[str]] = {imp_uid: record.contradicts for imp_uid, record in cold.items()}
        marked |= await self._ledger.reconciliations.contradicts(run.merchant, [row.imp_uid for row in snapshots])
        found = []
        for snapshot in snapshots:
            imp_uid, facts = snapshot.imp_uid, known[snapshot.imp_uid]
            gone = await offload(contradicted, facts, snapshot, rows=len(facts))
            if imp_uid in marked and [event_id(run.merchant, imp_uid, key) for key in gone] != list(marked[imp_uid]):
                found.append(imp_uid)
        return found

    async def _pending(self, run: Reconciliation, snapshots: Sequence[Snapshot], merchant: Merchant) -> list[str]:
        """The test payments whose cancellation is pending, in a full run of a merchant that now includes test payments.

        They were not refreshed while the merchant excluded them; this refresh schedules the next one.
        """
        is_full = run.last_full == run.created_at and not run.by_hand
        if not is_full or not merchant.sandbox_since:
            return []
        tests = [snapshot.imp_uid for snapshot in snapshots if snapshot.sandbox]
        return sorted(await self._ledger.reconciliations.pending(run.merchant, tests))


def recorded_silently(run: Reconciliation) -> bool | None:
    """Whether a run's refreshes record silently; None for an automatic run, which leaves that to the payment."""
    return not run.deliver if run.by_hand else None


def _unchanged(run: Reconciliation) -> Difference:
    return Difference(missing=False, silent=recorded_silently(run))


def _announced_at(
    missing: Iterable[Fact], snapshot: Snapshot, merchant: Merchant, forgotten_until: float
) -> float | None:
    """When i'mport should have sent a webhook about these facts; None if it promises none, or it is not known
    whether it did."""
    since = max(silent_before(snapshot, merchant), merchant.created_at - OVERLAP, forgotten_until)
    return min((fact.at for fact in missing if fact.kind in ANNOUNCED and fact.at >= since), default=None)


def _missing_facts(known: Facts, snapshot: Snapshot, now: float, grace: float) -> tuple[Fact, ...]:
    # An account number that was erased does not count as a difference.
    shown = without_buyer(snapshot) if has_erased_account(known) else snapshot
    return new_facts(known, shown, int(now), grace=grace)
