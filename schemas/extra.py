"""What a webhook's body holds beside the usual fields: kept as JSON, in as much room as there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas import wire

EXTRA_BYTES = 4096
"""Unknown fields are kept up to this many bytes of JSON."""
CUT = "…"
"""Stands at the end of a text or list that was cut, and for what nests too deeply."""

_DEEPEST = 12
_CUTS = ((EXTRA_BYTES, EXTRA_BYTES), (1000, 100), (300, 30), (100, 10))
"""How long texts (characters) and lists (items) may be, tried one after the other. The first only makes the fields fit
for JSON."""


def kept(fields: Mapping[str, Any]) -> bytes:
    """The fields as one JSON object of at most `EXTRA_BYTES`; nothing where there are none.

    Where that is too little, long texts and lists are cut and end with an ellipsis, so that short fields such as codes
    and times stay. Fields that do not fit even then are left out, later ones first.
    """
    if not fields:
        return b""
    try:
        if len(text := wire.dumps(fields)) <= EXTRA_BYTES:
            return text
    except TypeError:
        pass  # a lone surrogate, or nested too deeply: both are cured below
    cut: dict[str, Any] = {}
    for longest, most in _CUTS:
        cut = {_text(name, longest): _cut(value, longest, most, 1) for name, value in fields.items()}
        if len(text := wire.dumps(cut)) <= EXTRA_BYTES:
            return text
    return _as_many_as_fit(cut)


def printable(text: str) -> str:
    """The text without characters that do not print (controls, lone surrogates): U+FFFD stands for each, so it is safe
    in a log, a key and in UTF-8."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def _cut(value: Any, longest: int, most: int, depth: int) -> Any:
    match value:
        case str():
            return _text(value, longest)
        case Mapping() | list() if depth > _DEEPEST:
            return CUT
        case Mapping():
            return {_text(name, longest): _cut(inner, longest, most, depth + 1) for name, inner in value.items()}
        case list():
            rows = [_cut(inner, longest, most, depth + 1) for inner in value[:most]]
            return rows if len(value) <= most else [*rows, CUT]
    return value


def _text(text: str, longest: int) -> str:
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
