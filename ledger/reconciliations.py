"""Reconciliations: the progress of each comparison with i'mport's lists, and the payments it found missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import orjson

from ledger import keys
from ledger.cells import Cells
from ledger.constants import AUTO
from ledger.jobs import RECONCILE, Jobs, in_cell
from ledger.keys import Lane, payment
from ledger.offload import offload
from ledger.payment_rows import MOST_BYTES
from ledger.rows import flat, hashes, newest
from ledger.store import Store
from schemas.errors import Conflict, NotFound
from schemas.outbox import cold_record, entries
from schemas.outbox.codec import pack
from schemas.payments.facts import Facts, Status
from schemas.payments.windows import PAGE_LIMITS
from schemas.reasons import Reason
from schemas.reasons.reason import of_row

State = Literal["running", "done"]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run over ``[since, until)``, UNIX seconds.

    ``window`` is listed next (since, until, page); None once everything was compared. ``missing`` payments showed facts
    that the ledger lacked; ``repaired`` of these were refreshed since. Only automatic runs have ``last_success`` and
    ``last_full``. ``tries`` lists have failed in a row, the first at ``failing_since``, the last for ``trouble``.
    ``limit`` is how many rows a page may have: fewer if pages were too large or too slow. While a window is paged
    through, it had ``listed`` rows in all at its last page.
    """

    id: str
    merchant: str
    since: int
    until: int
    deliver: bool = False
    state: State = "running"
    compared: int = 0
    missing: int = 0
    repaired: int = 0
    window: tuple[int, int, int] | None = None
    created_at: float = 0.0
    compared_at: float = 0.0
    last_success: float = 0.0
    last_full: float = 0.0
    tries: int = 0
    failing_since: float = 0.0
    trouble: Reason | None = None
    limit: int = PAGE_LIMITS[0]
    listed: int = 0

    @property
    def by_hand(self) -> bool:
        """Whether an operator asked for it."""
        return not self.id.startswith(AUTO)


@dataclass(frozen=True, slots=True)
class Difference:
    """Why a listed payment is to be refreshed.

    ``missing``: the payment shows facts that the ledger lacks; otherwise its row could not be read. ``announced_at``:
    when i'mport should have sent a webhook about them (UNIX seconds), None for never. ``silent``: whether the refresh
    records silently; None leaves the earlier decision.
    """

    missing: bool = True
    announced_at: float | None = None
    silent: bool | None = None


class Reconciliations:
    """The runs, and what they need to read of payments."""

    def __init__(self, cells: Cells, jobs: Jobs) -> None:
        self._cells = cells
        self._jobs = jobs

    async def begin(self, run: Reconciliation, *, rebuild: bool = False) -> Reconciliation:
        """Start a run by hand; a ``rebuild`` needs a merchant without payments and gives the ledger a new base.

        Raises `Conflict` if there are payments, and `LedgerUnavailable`.
        """
        if rebuild and not await self._begin_rebuild(run.merchant):
            raise Conflict(Reason.of("merchant_has_payments", merchant=run.merchant))
        started = replace(run, created_at=await self._cells.of(run.merchant).now())
        await self.save(started)
        await self._jobs.schedule(self._lane(run.merchant), run.id)
        return started

    async def _begin_rebuild(self, merchant: str) -> bool:
        """Whether a merchant's payments, which a lost ledger or history knew, may be rebuilt."""
        answer = await self._cells.of(merchant).run("begin_rebuild", durable=True)
        return answer == b"ok" or (answer == b"others" and not await self._has_payments(merchant))

    async def _has_payments(self, merchant: str) -> bool:
        store = self._cells.of(merchant)
        cursor, found = await store.run("find_payment", merchant, "0")
        while cursor != b"0" and not found:
            cursor, found = await store.run("find_payment", merchant, cursor)
        return bool(found)

    def _lane(self, merchant: str) -> Lane:
        return in_cell(RECONCILE, self._cells.number(merchant))

    async def schedule(self, merchant: str, *, due_in: float) -> None:
        """Schedule a merchant's automatic reconciliation, first due in ``due_in`` seconds."""
        await self._jobs.schedule(self._lane(merchant), f"{AUTO}{merchant}", due_in=due_in, if_new=True)

    async def save(self, run: Reconciliation) -> None:
        """Store the progress of a run. Raises `LedgerUnavailable`."""
        row = orjson.dumps(asdict(run))
        entry = entries.Reconciliation(run.id, run.merchant, run.state, round(run.created_at * 1000), row=row)
        await self._cells.of(run.merchant).run(
            "put_reconciliation", run.id, row, run.merchant, int(run.by_hand), int(run.state == "running"),
            int(run.tries > 0), pack(entry), durable=True,
        )  # fmt: skip

    async def get(self, run_id: str) -> Reconciliation:
        """A run. Raises `NotFound`."""
        found = await self.some([run_id])
        if not found:
            raise NotFound(Reason.of("not_found", kind="reconciliation", id=run_id))
        return found[0]

    async def some(self, run_ids: Sequence[str]) -> Sequence[Reconciliation]:
        """Those of these runs that the ledger has."""
        found: list[Reconciliation] = []
        cells = await self._cells.holding(run_ids, keys.RECONCILIATION)
        for run_id in run_ids:
            if run_id in cells:
                found += await _some(cells[run_id], [run_id])
        return found

    async def facts(self, merchant: str, imp_uids: Sequence[str]) -> tuple[dict[str, Facts], float]:
        """The facts of each of these payments, none if it has left; and a time (UNIX seconds): no payment that began
        after it has left."""
        left, records = await self._records(merchant, imp_uids)
        none: Facts = {}
        known = {
            imp_uid: await offload(cold_record.facts, records[imp_uid], rows=cold_record.rows(records[imp_uid]))
            if imp_uid in records
            else none
            for imp_uid in imp_uids
        }
        return known, left

    async def contradicts(self, merchant: str, imp_uids: Sequence[str]) -> dict[str, Sequence[str]]:
        """The events that i'mport's object contradicted at the last refresh, for each payment that the ledger has."""
        _, records = await self._records(merchant, imp_uids)
        return {imp_uid: cold_record.contradicts(record) for imp_uid, record in records.items()}

    async def pending(self, merchant: str, imp_uids: Sequence[str]) -> set[str]:
        """Those of these payments with a cancellation whose result is not known."""
        _, records = await self._records(merchant, imp_uids)
        return {imp_uid for imp_uid, record in records.items() if cold_record.status(record) is Status.PENDING}

    async def _records(self, merchant: str, imp_uids: Sequence[str]) -> tuple[float, dict[str, bytes]]:
        """The packed records of these payments, without those that the ledger lacks; and a time (UNIX seconds): no
        payment that began after it has left."""
        records: dict[str, bytes] = {}
        unread, left_until = list(imp_uids), 0
        while unread:
            names = (payment(merchant, imp_uid) for imp_uid in unread)
            left, rows = await self._cells.of(merchant).run("read_payments", MOST_BYTES, 0, *names)
            left_until = max(left_until, int(left))
            records |= {imp_uid: row[1] for imp_uid, row in zip(unread, rows, strict=False) if row}
            unread = unread[len(rows) :]
        return left_until / 1000, records

    async def pause(self, merchant: str) -> float:
        """For how many seconds a merchant's refresh lane is paused, so that its lists wait, too; 0 if it is not."""
        return int(await self._cells.of(merchant).run("read_pause", merchant)) / 1000

    async def silent_run(self, merchant: str) -> bool:
        """Whether a run by hand that delivers nothing is still comparing."""
        store = self._cells.of(merchant)
        latest = await _some(store, await newest(store, keys.RECONCILIATIONS_OF_MERCHANT(merchant), 20))
        return any(run.state == "running" and run.window is not None and not run.deliver for run in latest)

    async def mark_found(self, run: Reconciliation, differing: Mapping[str, Difference]) -> None:
        """Mark the payments in ``differing`` (by imp_uid) dirty."""
        if differing:
            rows = flat((imp_uid, *_args(difference)) for imp_uid, difference in differing.items())
            args = (run.id, run.merchant, len(differing), *rows)
            await self._cells.of(run.merchant).run_and_kick("mark_found", *args, durable=True)

    async def count_lost_webhooks(self, run: Reconciliation) -> None:
        """Count the webhooks of found payments as lost that did not come within five minutes."""
        await self._cells.of(run.merchant).run("count_lost_webhooks", run.id, run.merchant)

    async def count_repaired(self, run: Reconciliation) -> tuple[int, int]:
        """How many of the found payments were refreshed since the last call, and how many are left.

        A payment whose refresh ended without finding it is dropped: i'mport lists it, but does not show it.
        """
        repaired, left = await self._cells.of(run.merchant).run("count_repaired", run.id, run.merchant)
        return int(repaired), int(left)

    async def webhook_losses(self) -> tuple[int, int]:
        """Of the last seven days: webhooks that i'mport should have sent and that never came, and those that came."""
        counts = await self._cells.each("read_webhook_losses")
        return sum(int(lost) for lost, _ in counts), sum(int(came) for _, came in counts)


async def _some(store: Store, run_ids: Sequence[str]) -> Sequence[Reconciliation]:
    found = await hashes(store, [keys.RECONCILIATION(run_id) for run_id in run_ids])
    return [load_run(fields["row"]) for fields in found if fields]


def _args(difference: Difference) -> tuple[str | int, ...]:
    at = difference.announced_at
    silent = "" if difference.silent is None else int(difference.silent)
    return int(difference.missing), "" if at is None else round(at * 1000), silent


def load_run(text: bytes) -> Reconciliation:
    """The run of a row as `save` stores it."""
    row = orjson.loads(text)
    window, trouble = row.get("window"), row.get("trouble")
    known = {"window": tuple(window) if window else None, "trouble": of_row(trouble) if trouble else None}
    return Reconciliation(**row | known)
