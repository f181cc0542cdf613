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


@pytest.mark.parametrize(
    "text",
    ["0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-10:00", "9999-12-31T23:59:59.9996Z"],
)
def test_a_time_that_utc_cannot_write_is_no_time(text: str) -> None:
    """Stored, it could never be shown again."""
    with pytest.raises(ValueError, match="range"):
        unix(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2038-01-19T03:14:08Z"])
def test_the_first_and_the_last_time_come_back(text: str) -> None:
    """And so does the first second that 32 bits cannot hold."""
    assert rfc3339(unix(text)) == text


@pytest.mark.parametrize("text", ["2026-11-23", "2026-11-23T01:02:03", "yesterday", ""])
def test_a_text_without_an_offset_is_no_time(text: str) -> None:
    """Whose clock it is has to be said."""
    with pytest.raises(ValueError, match=r"offset|isoformat"):
        unix(text)
