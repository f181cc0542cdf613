"""The other fields of a webhook's body, stored as JSON of limited size."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from schemas import wire

EXTRA_BYTES = 4096
"""The most bytes of JSON that other fields are stored in."""
ELLIPSIS = "…"
"""Ends a text or list that was cut, and replaces values that are nested too deeply."""

_DEEPEST = 12
_MOST_MEMBERS = EXTRA_BYTES // len(b'"":0,')
"""An object with more members cannot fit, so the rest is not read."""
_WHOLE = (EXTRA_BYTES, EXTRA_BYTES // len(b"0,"))
_CUTS = ((1000, 80), (300, 30), (100, 10))
"""The longest texts (characters) and lists (items), tried one after the other. `_WHOLE` is more than could fit."""


def dump_extra(fields: Mapping[str, Any]) -> bytes:
    """The fields as one JSON object of at most `EXTRA_BYTES`; empty without fields.

    If they do not fit, long texts and lists are cut and end with an ellipsis, so that short fields such as codes and
    times stay. Fields that do not fit even then are left out.
    """
    if not fields:
        return b""
    try:
        written = wire.dumps(fields)
    except TypeError:  # a lone surrogate, or nested too deeply: cutting cures both
        written = wire.dumps(_cut(fields, *_WHOLE, depth=0))
    cut: Mapping[str, Any] = fields
    for longest, most in _CUTS:
        if len(written) <= EXTRA_BYTES:
            return written
        cut = _cut(fields, longest, most, depth=0)
        written = wire.dumps(cut)
    return written if len(written) <= EXTRA_BYTES else _as_many_as_fit(cut)


def short_text(value: Any, cap: int) -> str | None:
    """A number or short text, `printable`. None for other types, blank text and text longer than ``cap`` characters."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > cap or not (short := value.strip()):
        return None
    return printable(short)


def printable(text: str) -> str:
    """The text with U+FFFD for each character that does not print (controls, lone surrogates), so that it is safe in a
    log, in a key and in UTF-8."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def _cut(value: Any, longest: int, most: int, depth: int) -> Any:
    match value:
        case str():
            return _shortened_json(value, longest, most, depth) or _shortened(value, longest)
        case Mapping() | list() if depth > _DEEPEST:
            return ELLIPSIS
        case Mapping():
            members = islice(value.items(), _MOST_MEMBERS)
            return {_shortened(name, longest): _cut(inner, longest, most, depth + 1) for name, inner in members}
        case list():
            rows = [_cut(inner, longest, most, depth + 1) for inner in value[:most]]
            return rows if len(value) <= most else [*rows, ELLIPSIS]
    return value


def _shortened_json(value: str, longest: int, most: int, depth: int) -> str | None:
    """A long JSON object in a text, cut inside so that it stays valid JSON; None for other texts."""
    if len(value) <= longest or not value.startswith("{"):
        return None
    try:
        return wire.dumps(_cut(wire.loads(value), longest, most, depth)).decode()
    except ValueError:
        return None


def _shortened(text: str, longest: int) -> str:
    clean: str = wire.whole(text if len(text) <= longest else text[:longest] + ELLIPSIS)
    return clean


def _as_many_as_fit(fields: Mapping[str, Any]) -> bytes:
    members: list[bytes] = []
    left = EXTRA_BYTES - len(b"{}")
    for name, value in fields.items():
        member = wire.dumps({name: value})[1:-1]
        needed = len(member) + (1 if members else 0)
        if needed <= left:
            members.append(member)
            left -= needed
    return b"{" + b",".join(members) + b"}" if members else b""
