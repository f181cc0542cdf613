"""Splits a change of many facts into steps. Each is written whole or not at all and leaves a valid record.

If a worker stops after any of them, the next refresh finds the missing facts and gives them the same ids and sequence:
facts are found in the order they happened, so those already written are the first ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Change
from schemas.payments.facts import Fact, FactKind

STEP_FACTS = 100
"""The most new facts that one step writes, as other payments' commits wait meanwhile. Only the first step may write
more."""


class Step(NamedTuple):
    """One of several changes that follow each other; ``change.facts`` are all that it writes."""

    change: Change
    is_first: bool
    is_last: bool


def steps(change: Change, most: int = STEP_FACTS) -> Iterator[Step]:
    """The steps of a change, with ``most`` new facts each. After the last one the record is ``change.record``; only
    that step says when the payment is due again.

    The first step includes all repeated cancellations: they are found by comparison with the previous snapshot, which
    the first step replaces.
    """
    if len(change.facts) <= most:
        yield Step(change, is_first=True, is_last=True)
        return
    before, after = change.previous, change.record
    facts = list(after.facts.values())
    known = start = len(before.facts)
    end = known + max(most, _up_to_last_repeated(facts[known:]))
    events, sequence, previous = iter(change.events), before.sequence, before
    while True:
        written = facts[start:end]
        announced = sum(fact.kind is not FactKind.ALIAS for fact in written)
        step_events = tuple(islice(events, announced))
        sequence = step_events[-1].sequence if step_events else sequence
        is_last = end >= len(facts)
        record = after
        if not is_last:
            requests = _requests_at(before.requests, after.requests, facts[known:end])
            record = replace(before, requests=requests, sequence=sequence, snapshot=after.snapshot)
            record = replace(record, facts={fact.key: fact for fact in facts[:end]})
        record = replace(record, version=previous.version + 1)
        next_refresh = change.next_refresh if is_last else None
        yield Step(Change(record, tuple(written), step_events, next_refresh, previous), previous is before, is_last)
        if is_last:
            return
        previous, start, end = record, end, end + most


def _up_to_last_repeated(found: Sequence[Fact]) -> int:
    """The number of facts up to the last one that `refunds.repeated_cancellations` may have found."""
    return max((number for number, fact in enumerate(found, 1) if _is_repeated(fact)), default=0)


def _is_repeated(fact: Fact) -> bool:
    """Whether the fact is a cancellation that settles a request with money that was announced before."""
    return fact.kind is FactKind.CANCELLED and bool(fact.closes) and not fact.amount


def _requests_at(
    before: Sequence[CancellationRequest], after: Sequence[CancellationRequest], facts: Sequence[Fact]
) -> tuple[CancellationRequest, ...]:
    """The requests after a step with these facts: requests of later facts are not opened or closed yet."""
    known = {name for fact in facts for name in fact.closes}
    known |= {fact.key.partition(":")[2] for fact in facts if fact.kind is FactKind.REQUESTED}
    was = {row.id: row for row in before}
    return tuple(row if row.id in known else was[row.id] for row in after if row.id in known or row.id in was)
