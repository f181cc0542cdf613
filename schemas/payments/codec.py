"""How facts and records are stored. Every shape carries a version. A missing field was introduced after the row was
written."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from schemas import wire
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Record
from schemas.payments.facts import Fact, FactKind, Facts, cancelled_amount, plain
from schemas.payments.retractions import PossibleRetraction
from schemas.payments.snapshot import Snapshot

VERSION = 4
READABLE_FROM = 4
"""The oldest version whose code can read these shapes, so that operators can go back to it after an upgrade. A new
field leaves this number alone; a field that changes or goes sets it to `VERSION`."""


def dump_fact(fact: Fact, place: int) -> bytes:
    """A fact as JSON; ``place`` is its number in the order in which facts were found."""
    return wire.dumps(
        {
            "v": VERSION,
            "n": place,
            "kind": fact.kind.value,
            "at": fact.at,
            "amount": plain(fact.amount),
            "whole": fact.whole,
            "entry": fact.entry,
            "closes": fact.closes,
            "detail": fact.detail,
        }
    )


def load_facts(rows: Mapping[str, bytes]) -> dict[str, Fact]:
    """The facts of a payment by key, in the order they were found."""
    placed = sorted(((wire.loads(text), key) for key, text in rows.items()), key=lambda row: row[0]["n"])
    return {
        key: Fact(
            key,
            FactKind(row["kind"]),
            row["at"],
            amount=Decimal(row["amount"]),
            whole=row["whole"],
            entry=row.get("entry"),
            closes=tuple(row.get("closes", ())),
            detail=row.get("detail", {}),
        )
        for row, key in placed
    }


def dump_record(record: Record) -> dict[str, bytes | str | int]:
    """The fields of a payment's hash that a change writes."""
    snapshot, retraction = record.snapshot, record.possible_retraction
    fields: dict[str, bytes | str | int] = {
        "v": VERSION,
        "version": record.version,
        "merchant": record.merchant,
        "imp_uid": record.imp_uid,
        "status": record.status.value,
        "sequence": record.sequence,
        "cancelled_amount": plain(cancelled_amount(record.facts.values())),
        "requests": wire.dumps([_dump_request(request) for request in record.requests]),
        "reported_cancellations": wire.dumps(record.reported_cancellations),
        "contradicts": wire.dumps(record.contradicts),
        "possible_retraction": b""
        if retraction is None
        else wire.dumps({"at": retraction.at, "digest": retraction.digest}),
    }
    if record.erased_at is not None:
        fields["erased_at"] = record.erased_at
    if snapshot is not None:
        fields |= {
            "merchant_uid": snapshot.merchant_uid,
            "amount": plain(snapshot.amount),
            "currency": snapshot.currency,
            "snapshot": snapshot.raw,
        }
    return fields


def load_record(merchant: str, imp_uid: str, fields: Mapping[str, bytes], facts: Facts) -> Record:
    """The record in a payment's hash and facts; an empty one for a new payment."""
    snapshot, retraction = fields.get("snapshot"), fields.get("possible_retraction")
    return Record(
        merchant=merchant,
        imp_uid=imp_uid,
        facts=facts,
        requests=tuple(load_request(row) for row in wire.loads(fields.get("requests", b"[]"))),
        reported_cancellations=wire.loads(fields.get("reported_cancellations", b"{}")),
        sequence=int(fields.get("sequence", 0)),
        version=int(fields.get("version", 0)),
        snapshot=Snapshot.parse(wire.loads(snapshot)) if snapshot else None,
        possible_retraction=PossibleRetraction(**wire.loads(retraction)) if retraction else None,
        erased_at=int(fields["erased_at"]) if fields.get("erased_at") else None,
    )


def _dump_request(request: CancellationRequest) -> dict[str, Any]:
    amount = request.amount
    return {
        "id": request.id,
        "amount": None if amount is None else plain(amount),
        "state": request.state,
        "origin": request.origin,
        "requested_at": request.requested_at,
        "reason": request.reason,
        "closed_at": request.closed_at,
    }


def load_request(row: Mapping[str, Any]) -> CancellationRequest:
    """A cancellation request as a record keeps it."""
    amount = row["amount"]
    return CancellationRequest(
        id=row["id"],
        amount=None if amount is None else Decimal(amount),
        state=row["state"],
        origin=row["origin"],
        requested_at=row["requested_at"],
        reason=row.get("reason"),
        closed_at=row.get("closed_at"),
    )
