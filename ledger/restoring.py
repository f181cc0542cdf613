"""Putting back a ledger that was lost, from what history has of it.

It begins in an empty ledger, and only there. Each verb puts back what this ledger lacks and leaves alone what it has,
so that whoever was interrupted begins again and comes to the same end. Nothing of it goes into the outbox, but how far
reconciliations are.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import keys, opening
from ledger.accept import Intake
from ledger.endpoint_rows import load, subscription
from ledger.jobs import RECONCILE, REPLAY, Jobs
from ledger.opening import OwnedHistory
from ledger.put_back import put_back
from ledger.reconciliations import Reconciliations, load_run
from ledger.rows import flat, hashes, text
from ledger.store import Store
from schemas import wire
from schemas.errors import Conflict, NotFound, UnknownMerchant
from schemas.outbox import entries
from schemas.outbox.packed_row import unpack_row
from schemas.outbox.whole_payment import WholePayment
from schemas.payments.notification import Notification
from schemas.reasons import Reason


class Restoring:
    """Begin, put back, end. Each raises `LedgerUnavailable`, and `ValueError` before it puts anything back where a row
    is damaged; counts are of what this call has put back."""

    def __init__(self, store: Store, intake: Intake, reconciliations: Reconciliations, jobs: Jobs) -> None:
        self._store = store
        self._intake = intake
        self._reconciliations = reconciliations
        self._jobs = jobs

    async def begin(self, now: float) -> None:
        """Begin to put back, at `now` (UNIX seconds): sequences of payments that history does not know start above
        that. Raises `Conflict` for a ledger that is not empty."""
        if not await self._store.run("begin_restoring", round(now), durable=True):
            raise Conflict(Reason.of("ledger_not_empty"))

    async def open(self, name: str, history: OwnedHistory) -> None:
        """Make `history` that of this ledger, and open it."""
        await history.hand_over(name)
        await opening.open_ledger(self._store, name)

    async def end(self) -> None:
        """End it: everything was put back."""
        await self._store.run("end_restoring", durable=True)

    async def merchants(self, rows: Sequence[entries.Merchant]) -> int:
        """Put merchants back."""
        for row in rows:
            unpack_row(row.row)
        wanted = flat((row.name, row.row) for row in rows)
        return int(await self._store.run("put_back_merchants", len(rows), *wanted, durable=True))

    async def endpoints(self, rows: Sequence[entries.Endpoint]) -> int:
        """Put endpoints back, with what they subscribe to."""
        wanted = flat((row.id, row.row, subscription(load(unpack_row(row.row)))) for row in rows)
        return int(await self._store.run("put_back_endpoints", len(rows), *wanted, durable=True))

    async def orders(self, rows: Sequence[entries.Order]) -> int:
        """Put back what is expected for orders."""
        wanted = flat(
            (row.merchant, row.merchant_uid, wire.dumps({"amount": row.amount, "currency": row.currency}))
            for row in rows
        )
        return int(await self._store.run("put_back_orders", len(rows), *wanted, durable=True))

    async def replay(self, row: entries.Replay) -> int:
        """Put a running replay back; its deliveries have to come after it."""
        unpack_row(row.row)
        return int(await self._store.run("put_back_replay", row.id, row.row, str(REPLAY), durable=True))

    async def reconciliation(self, row: entries.Reconciliation) -> int:
        """Put a reconciliation back: one that runs goes on, an automatic one knows how far it was."""
        try:
            run = load_run(row.row)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"a reconciliation is damaged: {error}") from None
        try:
            await self._reconciliations.get(run.id)
        except NotFound:
            await self._reconciliations.save(run)
            if run.state == "running" and run.by_hand:
                await self._jobs.schedule(RECONCILE, run.id)
            return 1
        return 0

    async def payments(self, some: Sequence[WholePayment]) -> tuple[int, int]:
        """Put payments back with all that belongs to them; how many, and how many deliveries are pending."""
        return await put_back(self._store, some)

    async def notification(self, row: entries.Notification) -> int:
        """Accept a pending notification once more, after opening: its payment is due for a refresh."""
        fields = await hashes(
            self._store, [keys.NOTIFICATION(row.id), keys.MERCHANT(row.merchant)], "merchant", "token_hash"
        )
        if fields[0].get("merchant"):
            return 0
        try:
            await self._intake.accept(_notification(row, text(fields[1], "token_hash")))
        except UnknownMerchant:
            return 0  # it was deleted since
        return 1


def _notification(row: entries.Notification, token_hash: str | None) -> Notification:
    return Notification(
        id=row.id,
        merchant=row.merchant,
        imp_uid=row.imp_uid,
        merchant_uid=row.merchant_uid,
        status=row.status,
        cancellation_id=row.cancellation_id,
        source=row.source or "",
        verified=row.verified,
        received_at=row.received_at / 1000,
        extra=row.extra.encode(),
        token_hash=token_hash,
    )
