"""The record of a payment whose buyer was erased: the same facts and events, without the buyer.

A virtual account's number is part of a fact's key. It is replaced in the key, so the fact stays known. Later snapshots
are blanked before facts are derived from them, so the account is not announced again.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from schemas import wire
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Record
from schemas.payments.erasure import blank_json, blank_object, repeats, texts_to_blank
from schemas.payments.facts import Fact
from schemas.payments.snapshot import Snapshot

_ACCOUNTS = ("vbank_issued", "vbank_expired")
_ERASED = "erased-"


def erased(record: Record, at: int) -> Record:
    """The record without its buyer, who was erased at `at` (UNIX milliseconds). Erasing it again changes only its
    version."""
    known = texts_to_blank(record.snapshot.raw) if record.snapshot is not None else frozenset()
    numbers: dict[str, str] = {}
    facts = [_fact(fact, known, numbers) for fact in record.facts.values()]
    return replace(
        record,
        facts={fact.key: fact for fact in facts},
        requests=tuple(_request(request, known) for request in record.requests),
        snapshot=None if record.snapshot is None else without_buyer(record.snapshot),
        version=record.version + 1,
        erased_at=record.erased_at or at,
    )


def without_buyer(snapshot: Snapshot) -> Snapshot:
    """The snapshot without its buyer."""
    return Snapshot.parse(blank_object(wire.loads(snapshot.raw)))


def has_erased_account(keys: Iterable[str]) -> bool:
    """Whether facts with these keys are about an account whose number was erased."""
    return any(key.startswith(f"{kind}:{_ERASED}") for key in keys for kind in _ACCOUNTS)


def _fact(fact: Fact, known: Set[str], numbers: dict[str, str]) -> Fact:
    kind, _, number = fact.key.partition(":")
    key = fact.key
    if kind in _ACCOUNTS and not number.startswith(_ERASED):
        key = f"{kind}:{numbers.setdefault(number, f'{_ERASED}{len(numbers) + 1}')}"
    return replace(fact, key=key, detail=wire.loads(blank_json(wire.dumps(fact.detail), known)))


def _request(request: CancellationRequest, known: Set[str]) -> CancellationRequest:
    return replace(request, reason=None) if repeats(request.reason, known) else request
