"""Notifications that wait for a refresh: how a receiver stores them, a claim reads them and a refresh answers them.

The ledger keeps each as its entry for history, after the time at which it came. When it is settled, history gets it
again, with its outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace

import msgpack

from schemas.outbox.codec import pack, unpack_values
from schemas.outbox.entries import Notification as Entry
from schemas.payments import escrow
from schemas.payments.escrow import EscrowChange
from schemas.payments.notification import Notification
from schemas.reasons import Reason, dump

MOST = 1_000
"""The most notifications of one payment that are read at once; only its refresh reads all of them."""
_RECEIVED_AT = [one.name for one in fields(Entry)].index("received_at")
_STAMPED = b"\x92"
"""How MessagePack begins a list of two."""
_SETTLED = 1
"""The revision of a notification that has its outcome; one that waits has 0."""


def pack_notification(one: Notification) -> bytes:
    """A webhook as it came; the script adds the time. If it reports an escrow change that cannot be trusted, the entry
    says why."""
    change = escrow.read(one.extra)
    doubt = None
    if change is not None:
        doubt = escrow.NO_CODE if not change.code else None if one.verified else escrow.UNVERIFIED
    entry = Entry(
        one.id, one.merchant, one.imp_uid, one.merchant_uid, one.status or None, one.cancellation_id, one.source,
        one.verified, 0, one.extra.decode(), "pending", None if doubt is None else dump(doubt).decode(),
    )  # fmt: skip
    return pack(entry)


def pack_stored(entry: Entry) -> bytes:
    """A notification as the ledger keeps it."""
    return b"%d:%b" % (entry.received_at, pack(replace(entry, received_at=0)))


def unpack_stored(stored: bytes) -> Entry:
    """A notification that the ledger keeps; it may be settled already if a script ended halfway."""
    if not stored[:1].isdigit():
        return unpack_settled(stored)
    head, _, packed = stored.partition(b":")
    _, values = unpack_values(packed)
    received_at = int(head.partition(b" ")[0])
    return Entry(*(*values[:_RECEIVED_AT], received_at, *values[_RECEIVED_AT + 1 :]))


def traceparent_of(stored: Iterable[bytes]) -> str:
    """The span that stored the first traced one of these notifications, "" if none is traced."""
    heads = sorted(one.partition(b":")[0] for one in stored if one[:1].isdigit())
    return next((trace.decode() for _, _, trace in (head.partition(b" ") for head in heads) if trace), "")


def unpack_settled(packed: bytes) -> Entry:
    """A settled notification that is still in the ledger. If a script settled it, its stamp follows the entry."""
    if packed.startswith(_STAMPED):
        entry, stamp = msgpack.unpackb(packed, raw=True)
        return Entry(*unpack_values(entry, stamp)[1])
    return Entry(*unpack_values(packed)[1])


def in_order(stored: Iterable[bytes]) -> tuple[Entry, ...]:
    """Notifications that the ledger keeps, in the order in which they came."""
    return tuple(sorted(map(unpack_stored, stored), key=lambda entry: (entry.received_at, entry.id)))


def reported_cancellations(some: Sequence[Entry]) -> tuple[str, ...]:
    """The ids of the cancellations that verified webhooks report."""
    ids = (
        one.cancellation_id for one in some if one.verified and one.status == "cancelled" and one.outcome == "pending"
    )
    return tuple(dict.fromkeys(name for name in ids if name))


def escrow_changes(some: Sequence[Entry]) -> tuple[EscrowChange, ...]:
    """The trusted escrow changes. If one is reported several times, the time of the first webhook counts."""
    found: dict[str, EscrowChange] = {}
    for one in some:
        change = _trusted_change(one)
        if change is not None:
            found.setdefault(change.key, replace(change, received_at=one.received_at // 1000))
    return tuple(found.values())


def answered(
    some: Sequence[Entry], outcome: str, *, doubt: Reason | None, only_escrow: bool
) -> list[tuple[str, bytes]]:
    """The id of each of these notifications that a refresh answers, and its entry with the outcome.

    ``doubt`` is why the escrow changes among them are not trusted after all. With ``only_escrow``, only these are
    answered, and the others wait on.
    """
    rows = []
    for one in some:
        is_escrow = _trusted_change(one) is not None
        if only_escrow and one.outcome == "pending" and not is_escrow:
            continue
        reason = one.reason
        if is_escrow and doubt is not None:
            reason = dump(doubt).decode()
        became = "rejected" if reason and outcome == "unchanged" else outcome
        rows.append(_settled(one, became, reason))
    return rows


def rejected(some: Sequence[Entry], reason: Reason) -> list[tuple[str, bytes]]:
    """The id of each of these notifications, and its entry with the outcome."""
    text = dump(reason).decode()
    return [_settled(one, "rejected", text) for one in some]


def _settled(one: Entry, outcome: str, reason: str | None) -> tuple[str, bytes]:
    """The id of a notification and its entry with this outcome, or with the one that it has already."""
    if one.outcome == "pending":
        one = replace(one, outcome=outcome, reason=reason, revision=_SETTLED)
    return one.id, pack(one)


def _trusted_change(one: Entry) -> EscrowChange | None:
    return None if one.reason or one.outcome != "pending" else escrow.read(one.extra.encode())
