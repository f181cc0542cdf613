"""Reads i'mport's lists of a period in windows that are small enough for one page each.

Pages drift while payments change, so a window that does not fit one page is halved instead of read page by page. A
window is at most 90 days and includes both ends (i'mport's description of ``GET /payments/status/{payment_status}``). A
page can be too large or too slow for i'mport or for us, so the number of rows requested adapts to the answers.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST_WINDOW = 90 * 86400
LARGEST_PAGE = 1000
PAGE_LIMITS = (250, 125, 25, 5, 1)
"""The numbers of rows that are requested. Each divides the one before, so a position can be given in pages of any of
them. A page of `LARGEST_PAGE` rows may have tens of MiB and take i'mport ten seconds."""
TARGET_SHARE = 0.5
"""The share of the largest answer, and of the longest time, that a page should not exceed."""


@dataclass(frozen=True, slots=True)
class Window:
    """The next request: page ``page`` of the payments that changed from ``since`` to ``until`` (UNIX seconds, both
    included)."""

    since: int
    until: int
    page: int = 1


def first(since: int, until: int) -> Window:
    """The first window of a period that begins at ``since`` and ends before ``until``."""
    return Window(since, min(max(until - 1, since), since + LONGEST_WINDOW))


def following(window: Window, until: int, total: int, rows: int, limit: int) -> Window | None:
    """The request after a page of ``rows`` (at most ``limit``) out of ``total``; None at the end of the period.

    A window with more than one page is requested again in halves; a window of a single second is read page by page.
    """
    fits = total <= limit
    if not fits and window.since < window.until:
        return Window(window.since, (window.since + window.until) // 2)
    if not fits and rows == limit and window.page * limit < total:
        return Window(window.since, window.until, window.page + 1)
    if window.until + 1 >= until:
        return None
    grown = max((window.until - window.since + 1) * (2 if total < max(limit // 4, 1) else 1), 1)
    return Window(window.until + 1, min(until - 1, window.until + min(grown, LONGEST_WINDOW)))


def drifted(window: Window, listed: int, total: int, limit: int) -> Window | None:
    """The page to go back to if rows left a window of a single second while it was read page by page; None if none did.

    The window had ``listed`` rows a page ago and has ``total`` now (0 past the end, which says nothing). When a row
    leaves, the rows after it move up by one, maybe onto a page that was read already.
    """
    if window.page == 1 or total >= listed or (window.page - 1) * limit >= listed:
        return None
    back = -(-(listed - total) // limit) if total else window.page
    return Window(window.since, window.until, max(window.page - back, 1))


def is_complete(window: Window, total: int, limit: int) -> bool:
    """Whether the page is all that can be read of the window at once: it fits one page, or is of a single second."""
    return total <= limit or window.since == window.until


def narrower(window: Window, limit: int) -> tuple[Window, int] | None:
    """The request after a page that was too much: half the window and fewer rows; None if it was a single row.

    A page of a single second begins at the same row as before.
    """
    fewer = next((step for step in PAGE_LIMITS if step < limit), limit)
    if window.since < window.until:
        return Window(window.since, (window.since + window.until) // 2), fewer
    if fewer == limit:
        return None
    return Window(window.since, window.until, (window.page - 1) * (limit // fewer) + 1), fewer


def larger_limit(limit: int, rows: int, size: float, time: float) -> int:
    """How many rows to ask for after a page of ``rows`` with this ``size`` and ``time``, as shares of the largest.

    One step more if such a page can be expected to stay within `TARGET_SHARE`; an empty page says nothing.
    """
    larger = min((step for step in PAGE_LIMITS if step > limit), default=limit)
    return larger if rows and size * larger / rows <= TARGET_SHARE and time <= TARGET_SHARE else limit
