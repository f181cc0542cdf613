"""How a period is walked through i'mport's lists: in windows small enough for one page each.

Pages drift while payments change, so a window that does not fit one page is halved rather than paged through. i'mport
takes 90 days at most, and both ends belong to a window (its description of ``GET /payments/status/{payment_status}``).
"""

from __future__ import annotations

from dataclasses import dataclass

LONGEST = 90 * 86400
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Window:
    """What to ask for next: page ``page`` of what changed from ``since`` to ``until``, UNIX seconds, both included."""

    since: int
    until: int
    page: int = 1


def first(since: int, until: int) -> Window:
    """The first window of a period that begins at ``since`` and ends before ``until``."""
    return Window(since, min(max(until - 1, since), since + LONGEST))


def following(window: Window, until: int, total: int, rows: int) -> Window | None:
    """What to ask for after a page of ``rows`` out of ``total`` came; None when the period is through.

    A window with more than one page is asked for again in halves; one of a single second is paged through.
    """
    fits = total <= PAGE
    if not fits and window.since < window.until:
        return Window(window.since, (window.since + window.until) // 2)
    if not fits and rows == PAGE and window.page * PAGE < total:
        return Window(window.since, window.until, window.page + 1)
    if window.until + 1 >= until:
        return None
    grown = max((window.until - window.since + 1) * (2 if total < PAGE // 4 else 1), 1)
    return Window(window.until + 1, min(until - 1, window.until + min(grown, LONGEST)))


def accepted(window: Window, total: int) -> bool:
    """Whether the rows of a page are all there is of the window, or all a page of a single second can be."""
    return total <= PAGE or window.since == window.until
