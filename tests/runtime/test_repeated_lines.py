"""The same words are written once a minute, however often they come."""

from __future__ import annotations

import logging

from runtime.repeated_lines import AGAIN_AFTER, MOST, OnceAMinute, Repeats


def test_words_are_written_at_once_and_then_once_a_minute() -> None:
    """The next line says how often they came since the last one."""
    now = 0.0
    repeats = Repeats(lambda: now)
    said = []
    for _ in range(3 * int(AGAIN_AFTER)):
        said.append(repeats.times("away"))
        now += 1
    assert [times for times in said if times is not None] == [1, AGAIN_AFTER, AGAIN_AFTER]


def test_other_words_are_news() -> None:
    """Each has its own minute."""
    repeats = Repeats(lambda: 0.0)
    assert [repeats.times(words) for words in ("away", "full", "away", "full")] == [1, 1, None, None]


def test_words_that_are_never_the_same_count_as_one() -> None:
    """A number in each of them makes neither a line for each nor a list without end."""
    now = 0.0
    repeats = Repeats(lambda: now)
    first = [repeats.times(f"failure {number}") for number in range(10 * MOST)]
    assert sum(times is not None for times in first) == MOST + 1
    now = AGAIN_AFTER
    assert [repeats.times(words) for words in ("failure 5", "failure 9999")] == [1, 1]
    assert len(repeats._seen) <= MOST + 1


def test_a_library_writes_a_line_a_minute() -> None:
    """One for each place in its code, say, whatever its words."""
    now = 0.0
    limited = OnceAMinute(lambda record: str(record.lineno), lambda: now)
    lines = [logging.LogRecord("library", logging.ERROR, "", place, "away", None, None) for place in (1, 2, 1, 2)]
    assert [limited.filter(line) for line in lines] == [True, True, False, False]
    now = AGAIN_AFTER
    assert [limited.filter(line) for line in lines] == [True, True, False, False]
