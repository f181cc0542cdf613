"""What a webhook's body holds beside the usual fields: kept as JSON, in as much room as there is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

from schemas import wire

EXTRA_BYTES = 4096
"""Unknown fields are kept up to this many bytes of JSON."""
CUT = "…"
"""Stands at the end of a text or list that was cut, and for what nests too deeply."""

_DEEPEST = 12
_MOST_MEMBERS = EXTRA_BYTES // len(b'"":0,')
"""More members than this fit into no object that is kept; the rest is not looked at."""
_WHOLE = (EXTRA_BYTES, EXTRA_BYTES // len(b"0,"))
_CUTS = ((1000, 80), (300, 30), (100, 10))
"""How long texts (characters) and lists (items) may be, tried one after the other; all that could fit is `_WHOLE`."""


def kept(fields: Mapping[str, Any]) -> bytes:
    """The fields as one JSON object of at most `EXTRA_BYTES`; nothing where there are none.

    Where that is too little, long texts and lists are cut and end with an ellipsis, so that short fields such as codes
    and times stay. Fields that do not fit even then are left out, later ones first.
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


def text(value: Any, cap: int) -> str | None:
    """A short value as text: numbers as written, other types, blanks and what is longer than ``cap`` characters as
    None; `printable`."""
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > cap or not (short := value.strip()):
        return None
    return printable(short)


def printable(text: str) -> str:
    """The text without characters that do not print (controls, lone surrogates): U+FFFD stands for each, so it is safe
    in a log, a key and in UTF-8."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def _cut(value: Any, longest: int, most: int, depth: int) -> Any:
    match value:
        case str():
            return _shortened_json(value, longest, most, depth) or _shortened(value, longest)
        case Mapping() | list() if depth > _DEEPEST:
            return CUT
        case Mapping():
            members = islice(value.items(), _MOST_MEMBERS)
            return {_shortened(name, longest): _cut(inner, longest, most, depth + 1) for name, inner in members}
        case list():
            rows = [_cut(inner, longest, most, depth + 1) for inner in value[:most]]
            return rows if len(value) <= most else [*rows, CUT]
    return value


def _shortened_json(value: str, longest: int, most: int, depth: int) -> str | None:
    """A long text that is a JSON object is cut inside, so that it still is one; None for other texts."""
    if len(value) <= longest or not value.startswith("{"):
        return None
    try:
        return wire.dumps(_cut(wire.loads(value), longest, most, depth)).decode()
    except ValueError:
        return None


def _shortened(text: str, longest: int) -> str:
    clean: str = wire.whole(text if len(text) <= longest else text[:longest] + CUT)
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
