"""Times as they are shown outside: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(at: float) -> str:
    """A UNIX time in seconds as ``2026-11-23T01:02:03Z``, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def unix(text: str) -> float:
    """The UNIX time in seconds of an RFC 3339 text.

    Raises `ValueError`, also without an offset, and for times outside the years 1 to 9999 in UTC, which `rfc3339`
    cannot write.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    at = moment.timestamp()
    rfc3339(at)
    return at
