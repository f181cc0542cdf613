"""The refresh lanes: claim dirty payments, and commit what their refresh changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Any, Literal, NamedTuple, cast

from ledger import keys
from ledger.cells import Cells
from ledger.endpoint_rows import filters
from ledger.group_commit import GroupCommit
from ledger.keys import Lane
from ledger.leases import LEASE_MS, Lease
from ledger.offload import offload
from ledger.rows import hashes, paired
from ledger.scripting import Argument
from schemas import wire
from schemas.errors import NotFound
from schemas.outbox.codec import pack
from schemas.outbox.of_change import of_events, of_payment
from schemas.payments import codec, escrow
from schemas.payments.commit_steps import Step, steps
from schemas.payments.decide import Change, Record
from schemas.payments.escrow import EscrowChange
from schemas.payments.facts import ExpectedAmount
from schemas.reasons import Reason, dump

MOST_BYTES = 262_144
"""Bytes of commits that share a call; a larger one goes alone, and fails alone where Redis has no memory for it."""

Outcome = Literal["ok", "lost", "changed", "full"]
"""``lost``: the lease had ended; nothing is written. ``changed``: the record has changed since it was read; read it
again. ``full``: Redis has no memory for all of it, nothing is written."""


class _Write(NamedTuple):
    """One step of a change, as the script reads it."""

    merchant: str
    args: list[Argument]
    size: int


class _Postponed(NamedTuple):
    """A postponement, as the script reads it, and its cell."""

    cell: int
    args: list[Argument]


@dataclass(frozen=True, slots=True)
class ClaimedPayment:
    """A payment to refresh. ``tries`` look-ups have failed so far; ``reported_cancellations`` (ids) and
    ``escrow_changes`` are what verified webhooks have reported. What happened before ``forgotten_until`` (UNIX seconds)
    may have been announced, by whom nobody remembers."""

    lease: Lease
    record: Record
    tries: int
    silent: bool
    reported_cancellations: tuple[str, ...]
    escrow_changes: tuple[EscrowChange, ...] = ()
    forgotten_until: float = 0.0


@dataclass(frozen=True, slots=True)
class ClaimedPayments:
    """The result of a claim; ``now`` is Redis' time in UNIX seconds; i'mport failed ``failures`` times in a row.
    Payments that began after ``left`` (UNIX seconds) have not left the ledger."""

    now: float
    failures: int
    payments: tuple[ClaimedPayment, ...]
    left: float = 0.0


class RefreshLane:
    """Claim, commit, postpone: the refresh of a payment from its due time to what is recorded."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._commits: GroupCommit[_Write, bytes] = GroupCommit(
            self._commit_all, most=50, weight=lambda write: write.size, heaviest=MOST_BYTES
        )
        self._postpones: GroupCommit[_Postponed, None] = GroupCommit(self._postpone_all, most=200)

    def wake(self, lane: Lane) -> None:
        """Kick the lane, as it may have more work than its last claim returned; returns at once."""
        self._cells[lane.cell].kick([str(lane)])

    async def claim(self, lane: Lane, limit: int = 100) -> ClaimedPayments:
        """Lease up to ``limit`` due payments of a lane. Raises `LedgerUnavailable`."""
        now, token, base, left, failures, rows = await self._cells[lane.cell].run_and_kick(
            "claim_payments", str(lane), limit, LEASE_MS
        )
        claimed = [await offload(_claimed, lane, int(token), int(base), row, rows=len(row[4]) // 2) for row in rows]
        return ClaimedPayments(int(now) / 1000, int(failures), tuple(claimed), int(left) / 1000)

    async def expected(self, merchant: str, merchant_uids: Sequence[str]) -> dict[str, ExpectedAmount]:
        """The amounts that the merchant expects for these orders, where it has given one."""
        if not merchant_uids:
            return {}
        found = (await hashes(self._cells.of(merchant), [keys.ORDERS(merchant)], *merchant_uids))[0]
        return {uid: _expected(wire.loads(text)) for uid, text in found.items() if text}

    async def commit(
        self,
        change: Change,
        *,
        claimed: ClaimedPayment | None,
        now: float,
        written: Callable[[Change], None] | None = None,
    ) -> Outcome:
        """Write what a refresh found, and settle it; without ``claimed`` it is an operator's change.

        A change of many facts is written in steps: if the result is ``lost`` or ``changed``, the first of them may have
        been written. ``written`` is called with each step as soon as it is. Raises `LedgerUnavailable`.
        """
        answer, kept_object = b"ok", False
        for step in steps(change):
            brings_object = step.is_first or (bool(step.change.events) and not kept_object)
            write = _write(change, step, claimed, now, with_object=brings_object)
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
        lease: Lease,
        kind: Literal["again", "stalled", "unknown", "rejected"],
        *,
        due_in: float | None,
        tries: int = 0,
        reason: Reason | None = None,
    ) -> None:
        """End a lease without a refresh: due again in ``due_in`` seconds, or given up.

        ``again``: the record was changed meanwhile. ``stalled``: i'mport is failing, or its answer about this one
        payment is unusable; then ``reason`` says why. ``unknown``: it does not know the payment, which goes to the
        slow lane.
        ``rejected``: it never knew the payment; the notifications are rejected with ``reason``.
        """
        to = lease.lane._replace(kind="unknown") if kind == "unknown" else lease.lane
        due = "" if due_in is None else round(due_in * 1000)
        args: list[Argument] = [
            str(lease.lane),
            lease.member,
            lease.token,
            str(to),
            due,
            kind,
            b"" if reason is None else dump(reason),
            tries,
        ]
        await self._postpones.add(_Postponed(lease.lane.cell, args))

    async def hide(self, lease: Lease, *, reason: Reason, now: float) -> None:
        """End a lease whose look-up at ``now`` (UNIX seconds) found a payment that does not exist for the merchant: its
        notifications are rejected with ``reason``, and it is not refreshed again unless a webhook or operator asks."""
        lane = str(lease.lane)
        args: list[Argument] = [lane, lease.member, lease.token, lane, "", "hidden", dump(reason), 0, round(now * 1000)]
        await self._postpones.add(_Postponed(lease.lane.cell, args))

    async def pause(self, lane: Lane, seconds: float, trouble: Reason) -> int:
        """Pause a merchant's lanes because i'mport fails for it; return its failures in a row."""
        store = self._cells[lane.cell]
        return int(await store.run("pause_merchant", lane.name, round(seconds * 1000), dump(trouble)))

    async def resume(self, lane: Lane) -> None:
        """End a merchant's pause because i'mport answers again: stalled payments are due now."""
        await self._cells[lane.cell].run_and_kick("resume_merchant", lane.name)

    async def mark_dirty(self, merchant: str, imp_uid: str, *, due_in: float = 0, silent: bool = False) -> None:
        """Mark a payment dirty, due in ``due_in`` seconds; what a ``silent`` refresh finds is not delivered."""
        args = (merchant, imp_uid, round(due_in * 1000), int(silent))
        await self._cells.of(merchant).run_and_kick("mark_dirty", *args, durable=True)

    async def record(self, merchant: str, imp_uid: str) -> Record:
        """The record of a payment. Raises `NotFound` before the first refresh that found it."""
        name = keys.payment(merchant, imp_uid)
        fields, facts = await hashes(self._cells.of(merchant), [keys.PAYMENT(name), keys.FACTS(name)])
        if not fields:
            raise NotFound(Reason.of("payment_not_found", imp_uid=imp_uid, merchant=merchant))
        known = await offload(codec.load_facts, facts, rows=len(facts))
        return await offload(codec.load_record, merchant, imp_uid, fields, known, rows=len(facts))

    async def _commit_all(self, writes: Sequence[_Write]) -> Sequence[bytes | Exception]:
        def pack(mine: Sequence[_Write]) -> list[Argument]:
            return [len(mine), *chain.from_iterable(write.args for write in mine)]

        return await self._cells.spread(
            "commit", writes, lambda write: self._cells.of(write.merchant), pack, durable=True
        )

    async def _postpone_all(self, some: Sequence[_Postponed]) -> Sequence[Exception | None]:
        calls = [(self._cells[one.cell], one.args) for one in some]
        return await self._cells.run_and_kick("postpone", calls)


def _claimed(lane: Lane, token: int, base: int, row: Sequence[Any]) -> ClaimedPayment:
    imp_uid, tries, silent, fields, facts, reported, changes = row
    name = imp_uid.decode()
    if fields:
        record = codec.load_record(lane.name, name, paired(fields), codec.load_facts(paired(facts)))
    else:
        record = Record(lane.name, name, sequence=base)
    return ClaimedPayment(
        Lease(lane, name, token),
        record,
        int(tries),
        bool(silent),
        tuple(paired(reported)),
        tuple(map(_escrow_change, paired(changes).values())),
    )


def _escrow_change(stored: bytes) -> EscrowChange:
    _stamp, received, text = stored.split(b":", 2)
    return escrow.load(text, int(received) // 1000)


def _expected(row: Mapping[str, Any]) -> ExpectedAmount:
    return ExpectedAmount(Decimal(row["amount"]), row.get("currency"))


def _write(change: Change, step: Step, claimed: ClaimedPayment | None, now: float, *, with_object: bool) -> _Write:
    """A step of a change; the object that its events show is stored under the version that the first step makes."""
    record, before = step.change.record, step.change.previous
    fields = codec.dump_record(record)
    found = fields.pop("snapshot", b"") if with_object else b""
    fields.pop("snapshot", None)
    if claimed is not None:
        fields["fetched_at"] = round(now * 1000)
    args: list[Argument] = [
        str(claimed.lease.lane) if claimed else "",
        record.merchant,
        record.imp_uid,
        claimed.lease.token if claimed else "",
        before.version,
        "" if step.change.next_refresh is None else round(step.change.next_refresh * 1000),
        _outcome(change, claimed),
        int(bool(change.record.reported_cancellations)),
        _doubt(record),
        int(claimed.silent) if claimed else 0,
        int(step.is_last),
        *(_needs(change) if step.is_first and not step.is_last else ("", "", "")),
        record.snapshot.merchant_uid if record.snapshot else "",
        len(fields),
    ]
    for name, value in fields.items():
        args += [name, value]
    args.append(len(step.change.facts))
    for place, fact in enumerate(step.change.facts, start=len(record.facts) - len(step.change.facts)):
        args += [fact.key, codec.dump_fact(fact, place)]
    shown = (step.change.events[0].callback.payment or b"") if with_object and step.change.events else b""
    args += [found, "" if shown == found else shown]
    args += [change.previous.version + 1 if step.change.events else "", len(step.change.events)]
    entries = of_events(step.change, time.time_ns() // 1000)
    shared = [pack(entry) for entry in entries.shared]
    for event, entry in zip(step.change.events, entries.events, strict=True):
        args += [event.id, event.type, event.sequence, int(event.silent), int(event.sandbox), filters(event.type)]
        args += [event.callback.text, pack(entry)]
    args += [pack(of_payment(record)), shared[0] if shared else b""]
    return _Write(record.merchant, args, sum(len(arg) for arg in args if isinstance(arg, str | bytes)))


def _needs(change: Change) -> tuple[int, int, int]:
    """What all steps write together: bytes (about), events, and how many of those are to be delivered."""
    size = sum(2 * len(event.callback.text) for event in change.events)
    found = len(change.record.snapshot.raw) if change.record.snapshot else 0
    shown = max((len(event.callback.payment or b"") for event in change.events), default=0)
    return size + found + shown, len(change.events), sum(not event.silent for event in change.events)


def _outcome(change: Change, claimed: ClaimedPayment | None) -> str:
    if claimed is None:
        return ""
    return "applied" if change.has_events else "unchanged"


def _doubt(record: Record) -> bytes:
    """Why the reported escrow changes are not trusted, or ""."""
    return dump(escrow.NOT_ESCROW) if record.snapshot is not None and not record.snapshot.escrow else b""
