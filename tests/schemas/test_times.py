"""Times as the outside sees them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import rfc3339, unix


@pytest.mark.parametrize(
    ("at", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_795_395_723, "2026-11-23T01:02:03Z"), (1.5, "1970-01-01T00:00:01.500Z")],
)
def test_a_time_is_rfc_3339_in_utc(at: float, text: str) -> None:
    """With milliseconds where there are any."""
    assert rfc3339(at) == text


@given(st.integers(0, 253_402_300_799))
def test_a_time_comes_back(at: int) -> None:
    """Every second until the year 10000."""
    assert unix(rfc3339(at)) == at


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-23T01:02:03", "yesterday", ""])
def test_a_text_without_an_offset_is_no_time(text: str) -> None:
    """Whose clock it is has to be said."""
    with pytest.raises(ValueError, match=r"offset|isoformat"):
        unix(text)
