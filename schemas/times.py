"""Times as the outside writes them (RFC 3339 in UTC, and the header `Retry-After`) and as they are stored."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

YEAR_10000 = 253_402_300_800
"""The first second that `rfc3339` cannot write, as a UNIX time."""

_SECONDS = re.compile(r"[0-9]+(\.[0-9]*)?")


def rfc3339(at: float) -> str:
    """A UNIX time in seconds as ``2026-11-23T01:02:03Z``, with milliseconds where there are any."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def unix(text: str) -> float:
    """The UNIX time in seconds of an RFC 3339 text.

    Raises `ValueError`, also for a text without an offset, and for a time outside of the years 1 to 9999 in UTC, which
    `rfc3339` could not write.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no offset from UTC")
    at = moment.timestamp()
    rfc3339(at)
    return at


def ms(at: float) -> int:
    """A UNIX time in seconds as ms, rounded up, so that windows keep their edges."""
    return math.ceil(round(at * 1000, 3))


def parse_retry_after(value: str, now: float) -> float | None:
    """The seconds that a `Retry-After` header asks for (RFC 9110 §10.2.3: seconds or an HTTP date), 0 or more, with
    fractions if it has them. None if it is neither. `now` is in UNIX seconds."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        # An HTTP date is always GMT; the parser returns no zone if the text says "-0000" or nothing.
        return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None
