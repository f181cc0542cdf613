"""A payment's packed record: what is damaged is a `ValueError`, whichever part is read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas import wire
from schemas.compression import compress
from schemas.outbox import cold_record

READERS: list[Callable[[bytes], object]] = [
    cold_record.facts,
    cold_record.status,
    cold_record.contradicts,
    cold_record.requests,
    lambda stored: cold_record.load("default", "imp_1", stored, compress(b"{}")),
]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("shape", [[], {}, {"fields": [], "facts": 1}, {"fields": {"status": 1}, "facts": {"paid": 1}}])
def test_json_of_another_shape_is_damage(read: Callable[[bytes], object], shape: object) -> None:
    """Not a bug of whoever reads it: they know what to do without a payment's record."""
    with pytest.raises(ValueError, match=r"damaged|not a valid"):
        read(compress(wire.dumps(shape)))


@pytest.mark.parametrize("read", READERS)
def test_bytes_of_something_else_are_damage(read: Callable[[bytes], object]) -> None:
    """Neither JSON nor compressed."""
    with pytest.raises(ValueError, match="Expecting value"):
        read(b"nothing of the kind")
