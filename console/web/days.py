"""Days that a reader chooses, as the window of a list."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from console.http.problems import WrongField
from console.http.requests import InvalidFields
from schemas.reasons import Reason
from schemas.times import rfc3339


def window(first: str | None, last: str | None, zone: tzinfo) -> dict[str, str]:
    """`since` and `until` in RFC 3339 for the days from `first` to `last` (`2026-11-23`), both included, in this zone.
    An end that is not chosen is left out. Raises `InvalidFields`."""
    errors: list[WrongField] = []
    found = {}
    for name, field, text, later in (("since", "from", first, 0), ("until", "to", last, 1)):
        if text is None:
            continue
        try:
            day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=zone)
            found[name] = rfc3339((day + timedelta(days=later)).timestamp())
        except (ValueError, OverflowError):
            errors.append(WrongField(field, Reason.of("no_such_moment")))
    if errors:
        raise InvalidFields(errors)
    return found
