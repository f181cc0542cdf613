"""Durations: a number and a unit, both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("5d", 432000.0), ("0", 0.0), ("1.5s", 1.5)],
)
def test_reads_a_number_and_a_unit(text: str, seconds: float) -> None:
    """Each unit gives its seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "-5s", "5S", "5w", "1h30m", "٥s", "5s\n", "1e3s", "9999d", "inf"]
)
def test_refuses_everything_else(text: str) -> None:
    """What is not exactly a number and a unit, or is absurdly long, is refused."""
    with pytest.raises(ValueError, match=r"duration|ten years"):
        parse_duration(text)


@given(st.integers(min_value=0, max_value=10 * 365 * 86400 * 1000))
def test_written_and_read_again_it_is_the_same(milliseconds: int) -> None:
    """What `format_duration` writes, `parse_duration` reads back to the millisecond."""
    seconds = milliseconds / 1000
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.2, "200ms"), (1.5, "1.5s"), (90, "90s"), (120, "2m"), (7200, "2h"), (432000, "5d")],
)
def test_writes_the_largest_unit_that_fits(seconds: float, text: str) -> None:
    """People read `2m`, not `120s`."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_does_not_write_what_is_no_duration(seconds: float) -> None:
    """Negative and endless times are errors of the caller."""
    with pytest.raises(ValueError, match="not a duration"):
        format_duration(seconds)
