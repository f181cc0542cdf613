"""A payment's record as ledger and history keep it: packed, beside i'mport's object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from schemas import wire
from schemas.compression import compress, decompress
from schemas.payments import codec
from schemas.payments.cancellations import CancellationRequest
from schemas.payments.decide import Record
from schemas.payments.facts import Fact, Facts, Status

_BESIDE = ("merchant", "imp_uid", "snapshot")


def dump(record: Record) -> bytes:
    """The record without i'mport's object, which is kept beside it."""
    fields = {name: value for name, value in codec.dump_record(record).items() if name not in _BESIDE}
    facts = {fact.key: codec.dump_fact(fact, place).decode() for place, fact in enumerate(record.facts.values())}
    return compress(wire.dumps({"fields": {name: _text(value) for name, value in fields.items()}, "facts": facts}))


def load(merchant: str, imp_uid: str, stored: bytes, snapshot: bytes) -> Record:
    """The record that `dump` was given, from its stored form and the stored object. Raises `ValueError` if either is
    damaged."""
    with _reading():
        kept = _kept(stored)
        fields = {name: value.encode() for name, value in kept["fields"].items()}
        return codec.load_record(merchant, imp_uid, fields | {"snapshot": decompress(snapshot)}, _facts(kept))


def facts(stored: bytes) -> Facts:
    """Only the facts of the record that `dump` was given. Raises `ValueError` if it is damaged."""
    with _reading():
        return _facts(_kept(stored))


def status(stored: bytes) -> Status:
    """Only the status of the record that `dump` was given. Raises `ValueError` if it is damaged."""
    with _reading():
        return Status(_kept(stored)["fields"]["status"])


def contradicts(stored: bytes) -> Sequence[str]:
    """Only the ids of the events that i'mport no longer supports, from the record that `dump` was given. Raises
    `ValueError` if it is damaged."""
    with _reading():
        found: list[str] = wire.loads(_kept(stored)["fields"]["contradicts"])
        return found


def rows(stored: bytes) -> int:
    """An estimate of how many facts a packed record has."""
    return len(stored) // 20


def requests(stored: bytes) -> tuple[CancellationRequest, ...]:
    """Only the cancellation requests of the record that `dump` was given. Raises `ValueError` if it is damaged."""
    with _reading():
        return tuple(map(codec.load_request, wire.loads(_kept(stored)["fields"]["requests"])))


@contextmanager
def _reading() -> Iterator[None]:
    """Raise `ValueError` for JSON of a shape that `dump` does not write."""
    try:
        yield
    except (TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"a record is damaged: {error!r}") from None


def _kept(stored: bytes) -> dict[str, dict[str, str]]:
    kept: dict[str, dict[str, str]] = wire.loads(decompress(stored))
    return kept


def _facts(kept: dict[str, dict[str, str]]) -> dict[str, Fact]:
    return codec.load_facts({key: text.encode() for key, text in kept["facts"].items()})


def _text(value: bytes | str | int) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
