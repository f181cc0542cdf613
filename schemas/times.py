"""Times as the outside sees them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(at: float) -> str:
    """A UNIX time in seconds as ``2026-11-23T01:02:03Z``, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def unix(text: str) -> float:
    """The UNIX time in seconds of an RFC 3339 text.

    Raises `ValueError`, also where it names no offset, and where it is none of the years 1 to 9999 in UTC: `rfc3339`
    could not write it.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no offset from UTC")
    at = moment.timestamp()
    rfc3339(at)
    return at
