"""How facts and records are stored. Every shape carries a version; a field that is missing was not there yet."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from schemas import wire
from schemas.payments.cancellations import Request
from schemas.payments.decide import Record
from schemas.payments.facts import Fact, Facts, Kind, cancelled_amount, plain
from schemas.payments.retractions import Lesser
from schemas.payments.snapshot import Snapshot

VERSION = 2


def dump_fact(fact: Fact, place: int) -> bytes:
    """A fact as JSON; ``place`` keeps the order in which facts were found."""
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
            Kind(row["kind"]),
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
    snapshot = record.snapshot
    fields: dict[str, bytes | str | int] = {
        "v": VERSION,
        "version": record.version,
        "merchant": record.merchant,
        "imp_uid": record.imp_uid,
        "status": record.status.value,
        "sequence": record.sequence,
        "cancelled_amount": plain(cancelled_amount(record.facts.values())),
        "requests": wire.dumps([_dump_request(request) for request in record.requests]),
        "claims": wire.dumps(record.claims),
        "contradicts": wire.dumps(record.contradicts),
        "lesser": "" if record.lesser is None else wire.dumps({"at": record.lesser.at, "shows": record.lesser.shows}),
    }
    if snapshot is not None:
        fields |= {
            "merchant_uid": snapshot.merchant_uid,
            "amount": plain(snapshot.amount),
            "currency": snapshot.currency,
            "snapshot": snapshot.raw,
        }
    return fields


def load_record(merchant: str, imp_uid: str, fields: Mapping[str, bytes], facts: Facts) -> Record:
    """The record of a payment's hash and facts; an empty one for a payment that is new."""
    snapshot, lesser = fields.get("snapshot"), fields.get("lesser")
    return Record(
        merchant=merchant,
        imp_uid=imp_uid,
        facts=facts,
        requests=tuple(load_request(row) for row in wire.loads(fields.get("requests", b"[]"))),
        claims=wire.loads(fields.get("claims", b"{}")),
        sequence=int(fields.get("sequence", 0)),
        version=int(fields.get("version", 0)),
        snapshot=Snapshot.parse(wire.loads(snapshot)) if snapshot else None,
        lesser=Lesser(**wire.loads(lesser)) if lesser else None,
    )


def dump_tombstone(record: Record) -> bytes:
    """What has to be remembered of a payment that leaves: which facts are no news, and its last sequence."""
    facts = [
        {
            "key": fact.key,
            "kind": fact.kind.value,
            "at": fact.at,
            "amount": plain(fact.amount),
            "whole": fact.whole,
            "entry": fact.entry,
        }
        for fact in record.facts.values()
    ]
    return wire.dumps({"v": VERSION, "sequence": record.sequence, "facts": facts})


def load_tombstone(merchant: str, imp_uid: str, text: bytes) -> Record:
    """The record of a payment that had left: its old facts are known, everything else is new."""
    stored = wire.loads(text)
    facts = {
        row["key"]: Fact(
            row["key"],
            Kind(row["kind"]),
            row["at"],
            amount=Decimal(row["amount"]),
            whole=row["whole"],
            entry=row["entry"],
        )
        for row in stored["facts"]
    }
    return Record(merchant, imp_uid, facts=facts, sequence=stored["sequence"])


def _dump_request(request: Request) -> dict[str, Any]:
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


def load_request(row: Mapping[str, Any]) -> Request:
    """A cancellation request as a record keeps it."""
    amount = row["amount"]
    return Request(
        id=row["id"],
        amount=None if amount is None else Decimal(amount),
        state=row["state"],
        origin=row["origin"],
        requested_at=row["requested_at"],
        reason=row.get("reason"),
        closed_at=row.get("closed_at"),
    )
