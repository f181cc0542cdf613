"""How a period is walked through lists whose pages can be too many, too large or too slow."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schemas.payments.windows import (
    PAGE_LIMITS,
    TARGET_SHARE,
    Window,
    first,
    following,
    is_complete,
    larger_limit,
    narrower,
)


def walk(times: list[int], too_much: Callable[[int], bool], until: int) -> tuple[list[int], list[int], int]:
    """Walks ``[0, until)`` over payments of these times, where no answer of ``too_much`` rows comes: the places in
    ``times`` that were compared and those left out, and how many questions were asked."""
    window: Window | None = first(0, until)
    limit, compared, left_out, asked = PAGE_LIMITS[0], list[int](), list[int](), 0
    while window is not None:
        asked += 1
        inside = [place for place, at in enumerate(times) if window.since <= at <= window.until]
        rows = inside[(window.page - 1) * limit : window.page * limit]
        if too_much(len(rows)):
            reduced = narrower(window, limit)
            if reduced is None:
                left_out += rows
                window = Window(window.since, window.until, window.page + 1)
            else:
                window, limit = reduced
            continue
        total = len(inside) if rows or window.page == 1 else 0
        if is_complete(window, total, limit):
            compared += rows
        ahead = following(window, until, total, len(rows), limit)
        if ahead is None or ahead.page == 1:
            limit = larger_limit(limit, len(rows), 0.0, 0.0)
        window = ahead
    return compared, left_out, asked


@given(
    times=st.lists(st.one_of(st.integers(0, 9999), st.just(5000)), max_size=300).map(sorted),
    most=st.integers(1, 400),
)
def test_every_payment_is_compared_for_any_page_limit(times: list[int], most: int) -> None:
    """Each once at least, none left out, wherever the payments lie and however few rows an answer may have."""
    compared, left_out, _ = walk(times, lambda rows: rows > most, 10_000)
    assert (sorted(set(compared)), left_out) == (list(range(len(times))), [])


def test_rows_that_never_come_do_not_block_the_others() -> None:
    """Where a single row is too much alone, it is left out and the walk goes on to the end."""
    compared, left_out, asked = walk([10, 20, 20, 30], lambda rows: rows > 0, 100_000)
    assert (compared, sorted(set(left_out))) == ([], [0, 1, 2, 3])
    assert asked < 200


def test_a_walk_is_as_short_as_it_was_where_nothing_is_too_much() -> None:
    """Few payments in a long period are one question for each window that i'mport takes."""
    compared, _, asked = walk([10, 20], lambda _rows: False, 80 * 86400)
    assert (len(compared), asked) == (2, 1)


def test_a_page_of_a_second_begins_where_it_did() -> None:
    """Fewer rows from the same place: what was compared before is behind it, nothing between is skipped."""
    for limit, fewer in pairwise(PAGE_LIMITS):
        window, chosen = narrower(Window(7, 7, 3), limit) or (Window(0, 0), 0)
        assert (chosen, (window.page - 1) * fewer) == (fewer, 2 * limit)
    assert narrower(Window(7, 7, 3), 1) is None


def test_more_is_asked_for_only_where_it_is_expected_to_fit() -> None:
    """The size of a page says how large a larger one would be; one that was slow is not made longer."""
    assert larger_limit(125, 125, size=TARGET_SHARE / 2, time=0.0) == 250
    assert larger_limit(125, 125, size=TARGET_SHARE / 2 + 0.01, time=0.0) == 125
    assert larger_limit(125, 25, size=TARGET_SHARE / 2, time=0.0) == 125
    assert larger_limit(125, 125, size=0.0, time=TARGET_SHARE + 0.01) == 125
    assert larger_limit(1, 1, size=0.0, time=0.0) == 5
    assert larger_limit(5, 0, size=0.0, time=0.0) == 5
    assert larger_limit(250, 250, size=0.0, time=0.0) == 250
