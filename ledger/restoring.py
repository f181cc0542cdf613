"""Putting a lost ledger back from history.

Only empty cells are put back: all of them, or those that a node of a Cluster has lost. Each method puts back what the
ledger lacks and leaves alone what it has, so an interrupted restore can be run again with the same result. Nothing of
it goes into the outbox except the progress of reconciliations and webhooks that are rejected.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger import keys, opening, order_rows, waiting
from ledger.accept import Intake
from ledger.cells import Cells, by
from ledger.endpoint_rows import load, subscription
from ledger.jobs import RECONCILE, REPLAY, Jobs, in_cell
from ledger.opening import OwnedHistory
from ledger.put_back import put_back
from ledger.reconciliations import Reconciliations, load_run
from ledger.replays import cell_to_restore, load_replay
from ledger.rows import flat, hashes, text
from ledger.scripting import Argument, raised
from schemas.endpoints.endpoint import Endpoint
from schemas.errors import Conflict, NotFound, UnknownMerchant
from schemas.outbox import entries
from schemas.outbox.packed_row import unpack_row
from schemas.outbox.whole_payment import WholePayment
from schemas.payments.notification import Notification
from schemas.reasons import Reason


class Restoring:
    """Begin, put back, end. Each method raises `LedgerUnavailable`, and `ValueError` for a damaged row, before it puts
    anything back. A count is of what that call has put back."""

    def __init__(self, cells: Cells, intake: Intake, reconciliations: Reconciliations, jobs: Jobs) -> None:
        self._cells = cells
        self._intake = intake
        self._reconciliations = reconciliations
        self._jobs = jobs

    async def begin(self, now: float) -> list[int] | None:
        """Begin a restore at `now` (UNIX seconds): payments that history does not know get sequences above that.
        Returns the cells to put back, None for all. Raises `Conflict` if no cell is empty."""
        begun = await self._cells.each("begin_restoring", round(now), durable=True)
        if not any(begun):
            raise Conflict(Reason.of("ledger_not_empty"))
        return None if all(begun) else [cell for cell, has_begun in enumerate(begun) if has_begun]

    async def open(self, name: str, history: OwnedHistory) -> None:
        """Make `history` that of this ledger, and open it."""
        await history.hand_over(name)
        await opening.open_ledger(self._cells, name)

    async def end(self) -> None:
        """End the restore, after everything was put back."""
        await self._cells.each("end_restoring", durable=True)

    async def merchants(self, rows: Sequence[entries.Merchant]) -> int:
        """Put merchants back."""
        for row in rows:
            unpack_row(row.row)
        return await self._put("put_back_merchants", [(row.name, (row.name, row.row)) for row in rows])

    async def endpoints(self, rows: Sequence[entries.Endpoint]) -> int:
        """Put endpoints back, with what they subscribe to."""
        wanted = [(row.merchant, (row.id, row.row, subscription(_endpoint(row)))) for row in rows]
        return await self._put("put_back_endpoints", wanted)

    @staticmethod
    def sealed_in(row: entries.Endpoint) -> list[str]:
        """The sealed values of an endpoint: its secrets, and its headers if it has some."""
        endpoint = _endpoint(row)
        return [*(secret.sealed for secret in endpoint.secrets), *filter(None, [endpoint.headers])]

    async def orders(self, rows: Sequence[entries.Order]) -> int:
        """Put back what merchants expect to be paid for orders."""
        wanted = [(row.merchant, (row.merchant, row.merchant_uid, order_rows.of_entry(row))) for row in rows]
        return await self._put("put_back_orders", wanted)

    async def replay(self, row: entries.Replay) -> int:
        """Put back a running replay, or a part of one; its deliveries must be put back after it."""
        fields = unpack_row(row.row)
        try:
            cell = cell_to_restore(load_replay(row.id, fields), fields, len(self._cells))
        except KeyError as error:
            raise ValueError(f"it has no {error}") from None
        if cell is None:
            return 0
        return int(await self._cells[cell].run("put_back_replay", row.id, row.row, str(REPLAY), durable=True))

    async def reconciliation(self, row: entries.Reconciliation) -> int:
        """Put back a reconciliation: a running one by hand goes on, an automatic one knows how far it had got."""
        try:
            run = load_run(row.row)
        except (TypeError, AttributeError) as error:
            raise ValueError(f"a reconciliation is damaged: {error}") from None
        try:
            await self._reconciliations.get(run.id)
        except NotFound:
            await self._reconciliations.save(run)
            if run.state == "running" and run.by_hand:
                await self._jobs.schedule(in_cell(RECONCILE, self._cells.number(run.merchant)), run.id)
            return 1
        return 0

    async def payments(self, some: Sequence[WholePayment]) -> tuple[int, int]:
        """Put payments back with all that belongs to them. Returns how many, and how many deliveries are pending."""
        return await put_back(self._cells, some)

    async def notification(self, row: entries.Notification) -> int:
        """Accept a pending notification again, so that its payment is refreshed, unless it already waits in this open
        ledger. If its merchant no longer exists, reject it: no refresh would ever answer it."""
        store, here = self._cells.of(row.merchant), keys.PAYMENT(keys.payment(row.merchant, row.imp_uid))
        if (await hashes(store, [here], f"n:{row.id}"))[0]:
            return 0
        (merchant,) = await hashes(store, [keys.MERCHANT(row.merchant)], "token_hash")
        try:
            await self._intake.accept(_notification(row, text(merchant, "token_hash")))
        except UnknownMerchant:
            ((_, entry),) = waiting.rejected([row], Reason.of("merchant_deleted"))
            await store.run("append_to_outbox", 1, entry, durable=True)
            return 0
        return 1

    async def _put(self, name: str, rows: Sequence[tuple[str, Sequence[Argument]]]) -> int:
        """Put back rows, each of which comes with its merchant. Returns how many it has put back."""
        mine = by(rows, lambda row: self._cells.of(row[0]))
        calls = {store: [len(some), *flat(row for _, row in some)] for store, some in mine.items()}
        return sum(map(int, raised(list((await self._cells.some(name, calls, durable=True)).values()))))


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


def _endpoint(row: entries.Endpoint) -> Endpoint:
    try:
        return load(unpack_row(row.row))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"an endpoint is damaged: {error}") from None
