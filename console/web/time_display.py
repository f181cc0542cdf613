"""Times for readers: the clock time in their zone, and how long ago that is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from markupsafe import Markup

from console.web.catalogue import Catalogue
from schemas.times import rfc3339, unix

ZONES: Mapping[str, tzinfo] = {"KST": timezone(timedelta(hours=9), "KST"), "UTC": UTC}
"""i'mport's time zone (Korea has no daylight saving), and UTC."""

_STEPS = ((60, "s", 1), (3600, "min", 60), (2 * 86400, "h", 3600), (float("inf"), "d", 86400))


def preferred(chosen: str | None, language: str) -> str:
    """The zone that was chosen, else the one that goes with a language."""
    if chosen is not None and chosen in ZONES:
        return chosen
    return "KST" if language == "ko" else "UTC"


def distance(seconds: float, catalogue: Catalogue) -> str:
    """How long ago, or in how long: `12 s ago`, `in 3 min`."""
    return _worded("ago" if seconds >= 0 else "in", abs(seconds), catalogue)


def length(seconds: float, catalogue: Catalogue) -> str:
    """A duration in its largest unit: `3 min`."""
    return _worded("for", seconds, catalogue)


def _worded(way: str, seconds: float, catalogue: Catalogue) -> str:
    for limit, unit, unit_length in _STEPS:
        if seconds < limit:
            return catalogue(f"time.{way}_{unit}", n=int(seconds // unit_length))
    raise ValueError(f"{seconds!r} is not a duration")


@dataclass(frozen=True, slots=True)
class Clock:
    """Shows times relative to `now` (UNIX seconds)."""

    now: float
    zone_name: str
    catalogue: Catalogue

    @property
    def zone(self) -> tzinfo:
        """The zone that times are shown in."""
        return ZONES[self.zone_name]

    def text(self, at: str | float | None) -> str:
        """The clock time; without the date if that is today's, without the year if that is this year's."""
        if at is None:
            return ""
        moment = datetime.fromtimestamp(_seconds(at), self.zone)
        today = datetime.fromtimestamp(self.now, self.zone)
        if moment.date() == today.date():
            return moment.strftime("%H:%M:%S")
        return moment.strftime("%m-%d %H:%M:%S" if moment.year == today.year else "%Y-%m-%d %H:%M:%S")

    def when(self, at: str | float | None, *, ago: bool = True) -> Markup:
        """A time of the API (RFC 3339) or of the ledger (UNIX seconds) as HTML, with its distance from now."""
        if at is None:
            return Markup('<span class="none">–</span>')
        seconds = _seconds(at)
        full = datetime.fromtimestamp(seconds, self.zone).strftime(f"%Y-%m-%d %H:%M:%S {self.zone_name}")
        html = Markup('<time datetime="{}" title="{}">{}').format(rfc3339(seconds), full, self.text(seconds))
        if ago:
            html += Markup(' <span class="ago">{}</span>').format(distance(self.now - seconds, self.catalogue))
        return html + Markup("</time>")


def _seconds(at: str | float) -> float:
    return unix(at) if isinstance(at, str) else float(at)
