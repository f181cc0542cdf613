"""A payment's record as history keeps it: enough to go on from when the payment is not in the ledger any more."""

from __future__ import annotations

from typing import Any

from schemas import wire
from schemas.compression import compress, decompress
from schemas.payments import codec
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Record

_BESIDE = ("merchant", "imp_uid", "snapshot")


def dump(record: Record) -> bytes:
    """The record without i'mport's object, which history keeps beside it."""
    fields = {name: value for name, value in codec.dump_record(record).items() if name not in _BESIDE}
    facts = {fact.key: codec.dump_fact(fact, place).decode() for place, fact in enumerate(record.facts.values())}
    return compress(wire.dumps({"fields": {name: _text(value) for name, value in fields.items()}, "facts": facts}))


def load(merchant: str, imp_uid: str, stored: bytes, snapshot: bytes) -> Record:
    """The record that `dump` was given; both as history gives them. Raises `ValueError` for what is damaged."""
    try:
        kept: dict[str, dict[str, Any]] = wire.loads(decompress(stored))
        fields = {name: value.encode() for name, value in kept["fields"].items()}
        facts = codec.load_facts({key: text.encode() for key, text in kept["facts"].items()})
        return codec.load_record(merchant, imp_uid, fields | {"snapshot": decompress(snapshot)}, facts)
    except (TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"a record is damaged: {error!r}") from None


def requests(stored: bytes) -> tuple[CancellationRequest, ...]:
    """Only the cancellation requests of the record that `dump` was given. Raises `ValueError` for what is damaged."""
    fields: dict[str, str] = wire.loads(decompress(stored))["fields"]
    return tuple(map(codec.load_request, wire.loads(fields["requests"])))


def _text(value: bytes | str | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
