"""How a period is walked through i'mport's lists: in windows small enough for one page each.

Pages drift while payments change, so a window that does not fit one page is halved rather than paged through. i'mport
takes 90 days at most, and both ends belong to a window (its description of ``GET /payments/status/{payment_status}``).
A page can be too large or too slow for i'mport or for us, so how many rows it may have is a matter of experience.
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 90 * 86400
PAGE = 1000
LIMITS = (PAGE, 500, 250, 125, 25, 5, 1)
"""How many rows may be asked for; each divides the one before, so that a place in a list can be told in any of them."""
ROOM = 0.5
"""The share of what an answer may take, in bytes and in time, that a page should not exceed."""


@dataclass(frozen=True, slots=True)
class Window:
    """What to ask for next: page ``page`` of what changed from ``since`` to ``until``, UNIX seconds, both included."""

    since: int
    until: int
    page: int = 1


def first(since: int, until: int) -> Window:
    """The first window of a period that begins at ``since`` and ends before ``until``."""
    return Window(since, min(max(until - 1, since), since + LONGEST))


def following(window: Window, until: int, total: int, rows: int, limit: int = PAGE) -> Window | None:
    """What to ask for after a page of ``rows`` (at most ``limit``) out of ``total``; None when the period is through.

    A window with more than one page is asked for again in halves; one of a single second is paged through.
    """
    fits = total <= limit
    if not fits and window.since < window.until:
        return Window(window.since, (window.since + window.until) // 2)
    if not fits and rows == limit and window.page * limit < total:
        return Window(window.since, window.until, window.page + 1)
    if window.until + 1 >= until:
        return None
    grown = max((window.until - window.since + 1) * (2 if total < max(limit // 4, 1) else 1), 1)
    return Window(window.until + 1, min(until - 1, window.until + min(grown, LONGEST)))


def drifted(window: Window, listed: int, total: int, limit: int) -> Window | None:
    """Where to go back to when rows have left a second while it was paged through; None where none have.

    ``listed`` rows were there a page ago, ``total`` are there now (0 behind a page past the end, which tells nothing).
    What stood behind a row that left has moved ahead by one, maybe over the edge of a page that was read already.
    """
    if window.page == 1 or total >= listed or (window.page - 1) * limit >= listed:
        return None
    back = -(-(listed - total) // limit) if total else window.page
    return Window(window.since, window.until, max(window.page - back, 1))


def accepted(window: Window, total: int, limit: int = PAGE) -> bool:
    """Whether the rows of a page are all there is of the window, or all a page of a single second can be."""
    return total <= limit or window.since == window.until


def less(window: Window, limit: int) -> tuple[Window, int] | None:
    """What to ask for where a page was too much: half the window and fewer rows; None where it was one row alone.

    A page of a single second begins at the same row as before.
    """
    fewer = next((step for step in LIMITS if step < limit), limit)
    if window.since < window.until:
        return Window(window.since, (window.since + window.until) // 2), fewer
    if fewer == limit:
        return None
    return Window(window.since, window.until, (window.page - 1) * (limit // fewer) + 1), fewer


def more(limit: int, rows: int, size: float, time: float) -> int:
    """How many rows to ask for after a page of ``rows`` that took these shares of what an answer may take.

    A step more where a page of that many rows can be expected to leave `ROOM`; an empty page tells nothing.
    """
    larger = min((step for step in LIMITS if step > limit), default=limit)
    return larger if rows and size * larger / rows <= ROOM and time <= ROOM else limit
