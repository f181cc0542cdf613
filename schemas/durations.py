"""Durations as people write them: a number and a unit, `200ms`, `5s`, `2m`, `1h`, `5d`."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SHAPE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h|d)", re.ASCII)
_LONGEST = 3660 * 86400.0


def parse_duration(text: str) -> float:
    """Seconds of a duration; a bare `0` needs no unit.

    Raises `ValueError` for anything else, and for more than ten years, which must be a mistake.
    """
    if text == "0":
        return 0.0
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a duration like 200ms, 5s, 2m, 1h or 5d")
    seconds = round(float(match[1]) * _UNITS[match[2]], 6)
    if seconds > _LONGEST:
        raise ValueError(f"{text!r} is longer than ten years")
    return seconds


def format_duration(seconds: float) -> str:
    """The duration in the largest unit that shows it exactly to a millisecond, e.g. `90s`, `2m`, `1.5s`.

    Raises `ValueError` for negative durations and for numbers that are not finite.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{seconds!r} is not a duration")
    milliseconds = round(seconds * 1000)
    if milliseconds == 0:
        return "0s"
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(milliseconds, round(_UNITS[unit] * 1000))
        if count and not rest:
            return f"{count}{unit}"
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    text = f"{milliseconds / 1000:.3f}".rstrip("0")
    return f"{text}s"
