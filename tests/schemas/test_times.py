"""Times as the outside sees them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.times import YEAR_10000, ms, parse_retry_after, rfc3339, unix

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("at", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1_795_395_723, "2026-11-23T01:02:03Z"), (1.5, "1970-01-01T00:00:01.500Z")],
)
def test_a_time_is_rfc_3339_in_utc(at: float, text: str) -> None:
    """With milliseconds where there are any."""
    assert rfc3339(at) == text


@given(st.integers(0, YEAR_10000 - 1))
def test_a_time_comes_back(at: int) -> None:
    """Every second until the year 10000."""
    assert unix(rfc3339(at)) == at


def test_the_year_10000_is_no_time() -> None:
    """It has five digits."""
    with pytest.raises(ValueError, match="range"):
        rfc3339(YEAR_10000)


@pytest.mark.parametrize(("at", "found"), [(1.0, 1000), (1.0001, 1001), (1_795_395_723.123, 1_795_395_723_123)])
def test_ms(at: float, found: int) -> None:
    """Rounded up, but for what a float cannot say."""
    assert ms(at) == found


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


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1.5", 1.5),
        ("5.", 5.0),
        (".5", None),
        ("1e3", None),
        ("١٢", None),
        ("99999999999999999999", 1e20),
        ("9" * 5000, float("inf")),
        ("Sun, 06 Nov 999999 08:49:37 GMT", None),
    ],
)
def test_parse_retry_after(value: str, seconds: float | None) -> None:
    """Seconds, with parts of one, and the three forms of an HTTP date are understood; anything else says nothing."""
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=40))
def test_any_retry_after(value: str) -> None:
    """Whatever the header says gives seconds from 0 on, or nothing."""
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0
