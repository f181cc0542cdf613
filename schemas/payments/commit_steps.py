"""A change of many facts, cut into steps: each is written whole or not at all, and leaves a record to go on from.

After any of them the next look finds what is missing, and gives it the same ids and sequence: facts are found in the
order they happened, so those that were written are what it would have known already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from schemas.payments.cancellations import Request
from schemas.payments.decide import Change
from schemas.payments.facts import Fact, Kind

MOST = 100
"""New facts that one step writes, at most: for so long other payments' commits wait. Only the first may write more."""


class Step(NamedTuple):
    """One of the changes that follow each other; its ``facts`` are what it writes, also of what was remembered."""

    change: Change
    is_first: bool
    is_last: bool


def steps(change: Change, most: int = MOST) -> Iterator[Step]:
    """The steps of a change, of ``most`` new facts each; after the last the record is the one that all of it leaves.
    Only that one says when to look again.

    The first also writes whatever a tombstone remembered: it goes with that step. And it goes on until the last
    cancellation of money that had been taken back: i'mport's word, which that step replaces, is what tells it.
    """
    before, after = change.previous, change.record
    known = len(before.facts)
    facts, rows = list(after.facts.items()), list(after.facts.values())
    events, sequence, previous = iter(change.events), before.sequence, before
    # The facts of a payment that had left and is back are not stored any more.
    first, end = known if before.version else 0, known + max(most, _told_by_word(rows[known:]))
    while True:
        some = rows[first:end]
        told = some[max(known - first, 0) :]
        made = tuple(islice(events, sum(fact.kind is not Kind.ALIAS for fact in told)))
        sequence = made[-1].sequence if made else sequence
        is_last = end >= len(rows)
        record = after
        if not is_last:
            requests = _requests(before.requests, after.requests, rows[known:end])
            record = replace(before, requests=requests, sequence=sequence, snapshot=after.snapshot)
            record = replace(record, facts=dict(facts[:end]))
        record = replace(record, version=previous.version + 1)
        next_refresh = change.next_refresh if is_last else None
        yield Step(Change(record, tuple(some), made, next_refresh, previous), previous is before, is_last)
        if is_last:
            return
        previous, first, end = record, end, end + most


def _told_by_word(found: Sequence[Fact]) -> int:
    """How many facts there are up to the last one that `refunds.cancelled_again` may have found."""
    places = (place for place, fact in enumerate(found, 1) if _closes_for_nothing(fact))
    return max(places, default=0)


def _closes_for_nothing(fact: Fact) -> bool:
    """Whether it is a cancellation that answers a request, though its money was announced before."""
    return fact.kind is Kind.CANCELLED and bool(fact.closes) and not fact.amount


def _requests(before: Sequence[Request], after: Sequence[Request], facts: Sequence[Fact]) -> tuple[Request, ...]:
    """The requests as they are when only these facts are known: the others have not been opened or closed yet."""
    known = {name for fact in facts for name in fact.closes}
    known |= {fact.key.partition(":")[2] for fact in facts if fact.kind is Kind.REQUESTED}
    was = {row.id: row for row in before}
    return tuple(row if row.id in known else was[row.id] for row in after if row.id in known or row.id in was)
