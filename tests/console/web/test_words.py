"""Languages, times and numbers, as readers see them."""

from __future__ import annotations

import pytest

from console.web.catalogue import catalogue_of, preferred
from console.web.rendering import money, percent
from console.web.time_display import Clock, distance
from ledger.acl import Subject

NOW = 1795433533.0
KINDS: tuple[Subject, ...] = ("ledger", "queue")


@pytest.mark.parametrize(
    ("chosen", "accept", "language"),
    [
        (None, None, "en"), (None, "ko", "ko"), (None, "ko-KR,ko;q=0.9,en-US;q=0.8", "ko"), (None, "fr,de", "en"),
        (None, "en;q=0.5,ko;q=0.6", "ko"), (None, "ko;q=0,en;q=0.1", "en"), ("en", "ko", "en"), ("xx", "ko", "ko"),
        (None, ";;;q=,", "en"), (None, "KO-kr", "ko"),
    ],
)  # fmt: skip
def test_the_language_a_reader_wants(chosen: str | None, accept: str | None, language: str) -> None:
    """What was chosen counts, then the browser's list by weight, then English."""
    assert preferred(chosen, accept) == language


@pytest.mark.parametrize(
    ("seconds", "english", "korean"),
    [
        (0, "0 s ago", "0초 전"),
        (75, "1 min ago", "1분 전"),
        (-90, "in 1 min", "1분 후"),
        (3 * 86400, "3 d ago", "3일 전"),
    ],
)
def test_how_long_ago(seconds: float, english: str, korean: str) -> None:
    """The largest unit that fits, for what was and for what comes."""
    assert (distance(seconds, catalogue_of("en")), distance(seconds, catalogue_of("ko"))) == (english, korean)


def test_times_are_as_short_as_they_can_be() -> None:
    """Today's show no date, this year's no year; all of them say everything to whoever asks."""
    clock = Clock(NOW, "KST", catalogue_of("en"))
    assert clock.text(NOW) == "20:32:13"
    assert clock.text(NOW - 86400) == "11-22 20:32:13"
    assert clock.text(NOW - 400 * 86400) == "2025-10-19 20:32:13"
    html = clock.when("2026-11-23T11:32:13Z")
    assert 'datetime="2026-11-23T11:32:13Z"' in html
    assert 'title="2026-11-23 20:32:13 KST"' in html
    assert "0 s ago" in html


def test_numbers_are_shown_as_they_are() -> None:
    """Amounts digit for digit; a share that is neither all nor nothing is never rounded to it."""
    assert (money(1234567, "KRW"), money("10.10", "USD"), money(None)) == ("1,234,567 KRW", "10.10 USD", "–")
    assert (percent(1.0), percent(0.99999), percent(0.5), percent(None)) == ("100 %", "99.9 %", "50 %", "–")
    assert (percent(0), percent(0.0001)) == ("0 %", "0.1 %")
