"""JSON that keeps numbers as they were written."""

from __future__ import annotations

import contextlib
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.wire import dumps, loads

_texts = st.text(st.characters(codec="utf-8"))
_numbers = st.integers(-(2**63), 2**63 - 1) | st.decimals(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
)


@pytest.mark.parametrize("text", ["10.10", "0.1", "1004", "-3", "12345678901234567890123", "1.0000000000000000001"])
def test_a_number_comes_out_as_it_went_in(text: str) -> None:
    """A number is written digit for digit as it was read."""
    assert dumps(loads(text)) == text.encode()


def test_a_fraction_is_a_decimal() -> None:
    """A number with a point is read without ever being a float."""
    assert loads('{"amount": 0.1}') == {"amount": Decimal("0.1")}


@given(values)
def test_what_is_written_can_be_read(value: Any) -> None:
    """Any value survives being written and read."""
    assert loads(dumps(value)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_value_error(data: bytes) -> None:
    """Whatever comes is a value or a `ValueError`, nothing else."""
    with contextlib.suppress(ValueError):
        loads(data)


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "{", "[" * 100_000, "1e99999999999999999999", b"\xff\xfe", '{"a": 1,}']
)
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    """Constants that are not JSON, deep nesting, absurd exponents and other encodings are one kind of error."""
    with pytest.raises(ValueError, match=r"\w"):
        loads(text)


@pytest.mark.parametrize("value", ["\ud800", {1, 2}, Decimal("NaN")])
def test_what_json_cannot_hold_is_a_type_error(value: object) -> None:
    """A value that JSON cannot hold is refused, not bent."""
    with pytest.raises(TypeError):
        dumps(value)


def test_what_was_written_holds_no_more_memory_than_its_size() -> None:
    """orjson's own bytes keep the buffer that they were written into."""
    payment = {"imp_uid": "imp_1", "name": "x" * 1000}
    tracemalloc.start()
    try:
        kept = [dumps(payment) for _ in range(100)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.2 * sum(map(len, kept))
