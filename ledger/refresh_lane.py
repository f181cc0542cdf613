"""The refresh lanes: claim dirty payments, and commit what their refresh changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NamedTuple, cast

from ledger import keys, order_rows, payment_rows
from ledger.cells import Cells
from ledger.delivery_lane import DeliveryLane
from ledger.group_commit import GroupCommit
from ledger.keys import Lane
from ledger.leases import LEASE_MS, Lease
from ledger.merchants import Merchant, load_merchant
from ledger.offload import offload
from ledger.packed_step import PackedStep, pack_step
from ledger.rows import flat, hashes, paired
from ledger.scripting import Argument
from ledger.store import Store
from ledger.waiting import escrow_changes, in_order, rejected, reported_cancellations, traceparent_of
from schemas.outbox import cold_record
from schemas.outbox.entries import Notification
from schemas.payments.commit_steps import steps
from schemas.payments.decide import Change, Record
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import ExpectedAmount
from schemas.reasons import Reason, dump

MOST_BYTES = 262_144
"""Most bytes of commits that share a call. A larger commit goes alone, so it fails alone if Redis has no memory."""

Outcome = Literal["ok", "lost", "changed", "full"]
"""``lost``: the lease had ended; nothing is written. ``changed``: the record has changed since it was read; read it
again. ``full``: Redis has no memory for the whole change; nothing is written."""


class _Postponed(NamedTuple):
    """A postponement, as the script reads it, and its cell."""

    cell: int
    args: list[Argument]


@dataclass(frozen=True, slots=True)
class ClaimedPayment:
    """A payment to refresh. ``tries`` look-ups have failed so far; ``waiting`` are the notifications that came before
    the claim. Facts from before ``forgotten_until`` (UNIX seconds) may have been announced; which ones is no longer
    known. ``traceparent`` is the span that its look-up or commit continues, "" if it is not traced."""

    lease: Lease
    record: Record
    tries: int
    silent: bool
    waiting: tuple[Notification, ...] = ()
    forgotten_until: float = 0.0
    traceparent: str = ""

    @property
    def reported_cancellations(self) -> tuple[str, ...]:
        """The ids of the cancellations that verified webhooks report."""
        return reported_cancellations(self.waiting)

    @property
    def escrow_changes(self) -> tuple[EscrowChange, ...]:
        """The escrow changes that verified webhooks report."""
        return escrow_changes(self.waiting)


@dataclass(frozen=True, slots=True)
class ClaimedPayments:
    """The result of a claim; ``now`` is Redis' time in UNIX seconds; i'mport failed ``failures`` times in a row.
    No payment that began after ``left`` (UNIX seconds) has left the ledger. ``merchant`` is None if nothing was claimed
    or the merchant was deleted; ``expects`` says whether it expects amounts for some orders."""

    now: float
    failures: int
    payments: tuple[ClaimedPayment, ...]
    left: float = 0.0
    merchant: Merchant | None = None
    expects: bool = False


_SOME_LEFT = ""
"""The field of `orders:m` that shows that some of the merchant's expectations have left the ledger."""


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a merchant expects to be paid for some orders. The ledger has `amounts`. For the orders in `maybe_left`,
    history may have one: an expectation leaves the ledger with the last payment of its order."""

    amounts: dict[str, ExpectedAmount]
    maybe_left: list[str]


class RefreshLane:
    """Claim payments to refresh, then commit or postpone them."""

    def __init__(self, cells: Cells, deliveries: DeliveryLane) -> None:
        self._cells = cells
        self._deliveries = deliveries
        self._commits: GroupCommit[PackedStep, bytes] = GroupCommit(
            self._commit_all, most=50, weight=lambda write: write.size, heaviest=MOST_BYTES
        )
        self._postpones: GroupCommit[_Postponed, None] = GroupCommit(self._postpone_all, most=200)

    async def share(self, lane: Lane) -> None:
        """Kick the lane if something has become due in it since it was claimed: another worker may be free. Raises
        `LedgerUnavailable`."""
        await self._cells[lane.cell].run_and_kick("share_lane", str(lane))

    async def claim(self, lane: Lane, limit: int = 100) -> ClaimedPayments:
        """Lease up to ``limit`` due payments of a lane. Raises `LedgerUnavailable`."""
        now, token, base, left, failures, row_of_merchant, expects, rows = await self._cells[lane.cell].run_and_kick(
            "claim_payments", str(lane), limit, LEASE_MS
        )
        merchant = load_merchant(lane.name, paired(row_of_merchant)) if row_of_merchant else None
        claimed = [
            await offload(_claimed, lane, int(token), int(base), row, rows=cold_record.rows(row[3])) for row in rows
        ]
        return ClaimedPayments(
            int(now) / 1000, int(failures), tuple(claimed), int(left) / 1000, merchant, bool(expects)
        )

    async def expected(self, merchant: str, merchant_uids: Sequence[str]) -> Expectations:
        """What the merchant expects for these orders."""
        if not merchant_uids:
            return Expectations({}, [])
        found = (await hashes(self._cells.of(merchant), [keys.ORDERS(merchant)], *merchant_uids, _SOME_LEFT))[0]
        some_left = found.pop(_SOME_LEFT, b"")
        amounts = {uid: order_rows.load(text) for uid, text in found.items() if text}
        return Expectations(amounts, [uid for uid in merchant_uids if uid not in amounts] if some_left else [])

    async def commit(
        self,
        change: Change,
        *,
        claimed: ClaimedPayment | None,
        now: float,
        written: Callable[[Change], None] | None = None,
        traceparent: str = "",
    ) -> Outcome:
        """Write what a refresh found, and settle it; without ``claimed`` it is an operator's change.

        A change of many facts is written in steps: if the result is ``lost`` or ``changed``, the first steps may have
        been written. ``written`` is called with each step as soon as it is written. Attempts to deliver the events
        continue the span ``traceparent``. Raises `LedgerUnavailable`.
        """
        answer, kept_object = b"ok", False
        for step in steps(change):
            brings_object = step.is_first or (bool(step.change.events) and not kept_object)
            write = pack_step(change, step, claimed, now, with_object=brings_object, traceparent=traceparent)
            kept_object = kept_object or bool(step.change.events)
            answer = await self._commits.add(write)
            if answer != b"ok":
                break
            if written is not None:
                written(step.change)
        return cast(Outcome, answer.decode())

    async def amend(self, merchant: str, imp_uid: str, decide: Callable[[Record], Change]) -> Change:
        """Write an operator's change; ``decide`` may raise, and is called again if the record changed meanwhile.

        Raises `NotFound` before the first refresh that found the payment, and `LedgerUnavailable`.
        """
        while True:
            change = decide(await self.record(merchant, imp_uid))
            if await self.commit(change, claimed=None, now=0) == "ok":
                return change

    async def postpone(
        self,
        payment: ClaimedPayment,
        kind: Literal["again", "stalled", "unknown", "rejected"],
        *,
        due_in: float | None,
        tries: int = 0,
        reason: Reason | None = None,
    ) -> None:
        """End a lease without a refresh: the payment is due again in ``due_in`` seconds, or given up if that is None.

        ``again``: the record was changed meanwhile. ``stalled``: i'mport is failing, or its answer about this one
        payment is unusable; then ``reason`` says why. ``unknown``: i'mport does not know the payment, which goes to
        the slow lane. ``rejected``: i'mport never knew the payment; its notifications are rejected with ``reason``.
        """
        lane = payment.lease.lane
        to = lane._replace(kind="unknown") if kind == "unknown" else lane
        due = "" if due_in is None else round(due_in * 1000)
        rejects = (reason or Reason.of("payment_unknown")) if kind == "rejected" else None
        args = (due, kind, b"" if reason is None else dump(reason), tries, "")
        await self._postpone(payment, to, *args, rejects=rejects)

    async def hide(self, payment: ClaimedPayment, *, reason: Reason, now: float) -> None:
        """End a lease whose look-up at ``now`` (UNIX seconds) found a payment that does not exist for the merchant. Its
        notifications are rejected with ``reason``; only another webhook or an operator makes it dirty again."""
        args = ("", "hidden", dump(reason), 0, round(now * 1000))
        await self._postpone(payment, payment.lease.lane, *args, rejects=reason)

    async def pause(self, lane: Lane, seconds: float, trouble: Reason) -> None:
        """Pause a merchant's lanes because i'mport fails for it."""
        await self._cells[lane.cell].run("pause_merchant", lane.name, round(seconds * 1000), dump(trouble))

    async def resume(self, lane: Lane) -> None:
        """End a merchant's pause because i'mport answers again: stalled payments are due now."""
        await self._cells[lane.cell].run_and_kick("resume_merchant", lane.name)

    async def mark_dirty(self, merchant: str, imp_uid: str) -> None:
        """Mark a payment dirty, due now; what its refresh finds is delivered."""
        await self._cells.of(merchant).run_and_kick("mark_dirty", merchant, imp_uid, durable=True)

    async def record(self, merchant: str, imp_uid: str) -> Record:
        """The record of a payment. Raises `NotFound` before the first refresh that found it."""
        row = await payment_rows.read(self._cells.of(merchant), merchant, imp_uid)
        return await offload(row.load, rows=cold_record.rows(row.record))

    async def _commit_all(self, writes: Sequence[PackedStep]) -> Sequence[bytes | Exception]:
        def pack(mine: Sequence[PackedStep]) -> list[Argument]:
            args = chain.from_iterable(write.args for write in mine)
            return [*self._deliveries.claim_of_commit(), len(mine), *args]

        def read(_: Store, answer: Any) -> list[bytes]:
            return list(answer[0])

        def ran(store: Store, answer: Any) -> None:
            _answers, claims, objects, *failed = answer
            self._deliveries.pass_on(store.cell or 0, claims, objects, failed)

        return await self._cells.spread(
            "commit", writes, lambda write: self._cells.of(write.merchant), pack, durable=True, read=read, ran=ran
        )

    async def _postpone(
        self, payment: ClaimedPayment, to: Lane, *args: Argument, rejects: Reason | None = None
    ) -> None:
        lease = payment.lease
        waiting = [(one.id, b"") for one in payment.waiting] if rejects is None else rejected(payment.waiting, rejects)
        row = [str(lease.lane), lease.member, lease.token, str(to), *args, len(waiting), *flat(waiting)]
        await self._postpones.add(_Postponed(lease.lane.cell, row))

    async def _postpone_all(self, some: Sequence[_Postponed]) -> Sequence[Exception | None]:
        calls = [(self._cells[one.cell], one.args) for one in some]
        return await self._cells.run_and_kick("postpone_refresh", calls)


def _claimed(lane: Lane, token: int, base: int, row: Sequence[Any]) -> ClaimedPayment:
    imp_uid, tries, silent, packed, shown, stored = row
    name = imp_uid.decode()
    record = cold_record.load(lane.name, name, packed, shown) if packed else Record(lane.name, name, sequence=base)
    waiting, trace = in_order(stored), traceparent_of(stored)
    return ClaimedPayment(Lease(lane, name, token), record, int(tries), bool(silent), waiting, traceparent=trace)
